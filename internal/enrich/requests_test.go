package enrich

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// pages is a Twilio whose every list has n empty pages.
func pages(t *testing.T, n int) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next, page := "null", 1
		_, _ = fmt.Sscan(r.URL.Query().Get("Page"), &page)
		if page < n {
			next = fmt.Sprintf(`"%s%s?Page=%d"`, server.URL, r.URL.Path, page+1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"participants":[],"meta":{"next_page_url":%s}}`, next)
	}))
	t.Cleanup(server.Close)
	return server
}

// It is the real client whose requests are counted: nothing but the call's context ties it to the pipeline.
func TestEachPageOfAListCountsAsARequest(t *testing.T) {
	const n = 5
	server := pages(t, n)
	client, err := participants.New(participants.Config{ConversationsURL: server.URL, FlexURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	b := &bench{t: t, stream: newStream(), reg: prometheus.NewRegistry(), accounts: &ledger{cred: map[validation.SID]participants.Credentials{}}}
	b.accounts.set(account, string(account))
	p, err := New(Config{MaxRate: 0.001}, client, b.accounts, slog.New(slog.DiscardHandler), b.reg)
	if err != nil {
		t.Fatal(err)
	}
	l := newLane(p, "key")
	event := message(1)
	l.insert(newItem(b.add(1, event), &event))
	if a := l.ask(t.Context(), call{lookup: "conversation", account: account, within: string(sid("CH", 1))}); a.err != nil || a.answer.verdict != verdictUse {
		t.Fatalf("got %+v, want a whole list", a)
	}
	b.wantMetric(`rollcall_enrich_requests_total{lookup="conversation"} 5`)
	// One token was there. What it is short of now is what the next call waits for.
	if got := p.gate.use(account).limiter.TokensAt(time.Now()); got < -(n-1) || got > -(n-1)+0.5 {
		t.Errorf("got %v requests left, want %d: all but one of the pages have to be made up for", got, -(n - 1))
	}
}
