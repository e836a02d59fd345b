package participants

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func BenchmarkDecodeConversationPage(b *testing.B) {
	for _, n := range []int{2, 100, 1000} {
		b.Run(fmt.Sprintf("participants=%d", n), func(b *testing.B) {
			benchmarkDecode(b, conversationPage(askedConversation), manyOf(b, "good_conversation_page", n), n)
		})
	}
}

func BenchmarkDecodeOrchestratorPage(b *testing.B) {
	for _, n := range []int{2, 100, 1000} {
		b.Run(fmt.Sprintf("participants=%d", n), func(b *testing.B) {
			benchmarkDecode(b, orchestratorPage(askedV2), manyOf(b, "good_orchestrator_page", n), n)
		})
	}
}

func benchmarkDecode(b *testing.B, decode func([]byte, *report) page, body []byte, want int) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var r report
		if p := decode(body, &r); len(p.participants) != want || len(r.problems) > 0 {
			b.Fatalf("got %d participants and problems %v, want %d and none", len(p.participants), r.problems, want)
		}
	}
}

// manyOf returns a page with the participants of a testdata page repeated up to n.
func manyOf(tb testing.TB, name string, n int) []byte {
	tb.Helper()
	body := golden(tb, name)
	start := bytes.Index(body, []byte(`"participants": [`)) + len(`"participants": [`)
	end := bytes.LastIndexByte(body, ']')
	items := strings.TrimSuffix(strings.Repeat(string(body[start:end])+",", n/2), ",")
	return fmt.Appendf(nil, "%s%s%s", body[:start], items, body[end:])
}
