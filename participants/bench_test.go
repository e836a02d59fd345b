package participants

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

// hotPages are the three lists: what decodes a page of each, and the testdata page that it is tried on.
var hotPages = []struct {
	api    API
	decode func([]byte, *report) page
	golden string
}{
	{Conversations, conversationPage(askedConversation), "good_conversation_page"},
	{Flex, channelPage(askedChannel), "good_channel_page"},
	{Orchestrator, orchestratorPage(askedV2), "good_orchestrator_page"},
}

func BenchmarkDecodePage(b *testing.B) {
	for _, hot := range hotPages {
		for _, n := range []int{2, 100, 1000} {
			b.Run(fmt.Sprintf("%s/participants=%d", hot.api, n), func(b *testing.B) {
				body := manyOf(b, hot.golden, n)
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					decodeAll(b, hot.decode, body, n)
				}
			})
		}
	}
}

// BenchmarkListConversation is a whole call, without the wire.
func BenchmarkListConversation(b *testing.B) {
	body := golden(b, "good_conversation_page")
	client, err := New(Config{HTTPClient: &http.Client{Transport: wireless(body)}})
	if err != nil {
		b.Fatal(err)
	}
	cred := Credentials{Username: theAccount, Password: validation.NewSecret("token")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.ListConversation(b.Context(), cred, theConversation, "IS0123456789abcdef0123456789abcdef"); err != nil {
			b.Fatal(err)
		}
	}
}

// wireless answers every request with a body.
type wireless []byte

func (w wireless) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(w)), Request: req,
	}, nil
}

// BenchmarkTenPages is what a full v1 conversation costs: ten pages of 100 are decoded, and all of them written once.
func BenchmarkTenPages(b *testing.B) {
	body := manyOf(b, "good_conversation_page", 100)
	b.ReportAllocs()
	b.SetBytes(int64(10 * len(body)))
	for b.Loop() {
		var all []Participant
		for range 10 {
			all = append(all, decodeAll(b, hotPages[0].decode, body, 100)...)
		}
		var written []byte
		var err error
		for _, p := range all {
			if written, err = p.AppendJSON(written); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkReadTenPages is what the others are compared with: encoding/json reads the same ten pages, into any and
// into a plain struct, and checks nothing.
func BenchmarkReadTenPages(b *testing.B) {
	body := manyOf(b, "good_conversation_page", 100)
	for _, into := range []struct {
		name string
		read func([]byte) error
	}{
		{"any", func(body []byte) error { var v any; return json.Unmarshal(body, &v) }},
		{"struct", func(body []byte) error { var v plainPage; return json.Unmarshal(body, &v) }},
	} {
		b.Run(into.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(10 * len(body)))
			for b.Loop() {
				for range 10 {
					if err := into.read(body); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// plainPage has the fields of a v1 page and none of its rules.
type plainPage struct {
	Meta struct {
		NextPageURL string `json:"next_page_url"`
	} `json:"meta"`
	Participants []struct {
		SID              string            `json:"sid"`
		URL              string            `json:"url"`
		Identity         string            `json:"identity"`
		RoleSID          string            `json:"role_sid"`
		Attributes       string            `json:"attributes"`
		AccountSID       string            `json:"account_sid"`
		DateCreated      string            `json:"date_created"`
		DateUpdated      string            `json:"date_updated"`
		ConversationSID  string            `json:"conversation_sid"`
		MessagingBinding map[string]string `json:"messaging_binding"`
		LastReadAt       string            `json:"last_read_timestamp"`
		LastReadIndex    *int64            `json:"last_read_message_index"`
	} `json:"participants"`
}

func decodeAll(tb testing.TB, decode func([]byte, *report) page, body []byte, want int) []Participant {
	tb.Helper()
	var r report
	p := decode(body, &r)
	if len(p.participants) != want || len(r.problems) > 0 {
		tb.Fatalf("got %d participants and problems %v, want %d and none", len(p.participants), r.problems, want)
	}
	return p.participants
}

// TestDecodingAllocatesLittle holds decoding to a budget for each participant: what its strings, dates and lists need, and
// not something for each field of its JSON.
func TestDecodingAllocatesLittle(t *testing.T) {
	budget := map[API]float64{Conversations: 18, Flex: 10, Orchestrator: 15}
	for _, hot := range hotPages {
		body := manyOf(t, hot.golden, 100)
		got := testing.AllocsPerRun(10, func() { decodeAll(t, hot.decode, body, 100) }) / 100
		t.Logf("%s: %.1f allocations for each participant", hot.api, got)
		if want := budget[hot.api]; got > want {
			t.Errorf("%s: got %.1f allocations for each participant, want %.0f at most", hot.api, got, want)
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
