package ingest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// wantCounted checks that the outcome, and no other but successes, was counted, and that the log's last line says it.
func (r *rig) wantCounted(t *testing.T, want outcome) {
	t.Helper()
	_ = r.stop() // the line is written after the answer
	total := 0.0
	for _, feed := range []string{"conversations", "flex", "orchestrator", "event-streams", noFeed} {
		total += testutil.ToFloat64(r.metrics.webhooks.WithLabelValues(feed, string(want)))
	}
	if total == 0 {
		t.Errorf("got no webhook counted as %s", want)
	}
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	var line struct{ Level, Outcome string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatal(err)
	}
	if line.Outcome != string(want) || line.Level != verdicts()[want].level.String() {
		t.Errorf("got %+v in the log, want %s at %s", line, want, verdicts()[want].level)
	}
}

func TestLogSaysWhatAndNotWho(t *testing.T) {
	const private = "+18005550100"
	r := start(t, Config{}, nil, nil)
	w := messageAdded("Author", private, "Identity", private)
	w.target += "?who=" + private
	r.wantStatus(t, w, http.StatusOK)
	r.wantStatus(t, w.sign("another"), http.StatusForbidden)
	r.wantStatus(t, form(conversations, "EventType", private, "AccountSid", private, "ConversationSid", private), http.StatusOK)
	r.wantStatus(t, webhook{method: "POST", target: "/" + private, body: private, media: private}, http.StatusNotFound)
	r.wantStatus(t, webhook{method: "POST", target: "/webhooks/" + private, body: private, media: private}, http.StatusNotFound)
	r.wantStatus(t, webhook{method: "POST", target: "/" + private + conversations + "/?who=" + private, body: private, media: private}, http.StatusNotFound)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	for _, want := range []string{`it looks like ` + conversations, `"event_id":"sha256:`, `"account_sid":"` + account + `"`, `"key":"` + chat + `"`, `"type":"conversations.message.added"`, `"feed":"conversations"`} {
		if !strings.Contains(log, want) {
			t.Errorf("got log without %s:\n%s", want, log)
		}
	}
	for _, bad := range []string{private, "8005550100", "Hello", token, "127.0.0.1"} {
		if strings.Contains(log, bad) {
			t.Errorf("got log with %q:\n%s", bad, log)
		}
	}
	if lines := strings.Count(log, "\n"); lines != 6 {
		t.Errorf("got %d lines for 6 webhooks:\n%s", lines, log)
	}
}

func TestMetrics(t *testing.T) {
	r := start(t, Config{}, nil, func(r *rig) {
		r.shelf.put = func(context.Context, events.Event) error {
			if got := testutil.ToFloat64(r.metrics.inFlight); got != 1 {
				t.Errorf("got %v webhooks in flight, want 1", got)
			}
			return nil
		}
	})
	r.wantStatus(t, messageAdded(), http.StatusOK)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(r.metrics.webhooks.WithLabelValues("conversations", "stored")); got != 1 {
		t.Errorf("got %v stored, want 1", got)
	}
	if got := testutil.ToFloat64(r.metrics.inFlight); got != 0 {
		t.Errorf("got %v in flight, want 0", got)
	}
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v from the metrics linter", problems, err)
	}
	// What meets no route has its own outcomes.
	if n, err := testutil.GatherAndCount(r.reg, "rollcall_ingest_webhooks_total"); err != nil || n != len(routes())*len(verdicts())+2 {
		t.Errorf("got %d series, %v, want all from the start", n, err)
	}
}
