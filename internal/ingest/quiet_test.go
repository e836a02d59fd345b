package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// An outage, and a flood of forged webhooks in it: each takes a few lines, and one does not silence the other.
func TestAnOutageTakesAFewLogLines(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := start(t, Config{}, nil, func(r *rig) {
		r.now = func() time.Time { return now }
		r.Service.log = slog.New(slog.NewJSONHandler(r.log, nil)) // at info, as deployed
		r.shelf.put = func(context.Context, events.Event) error { return errors.New("NATS is away") }
	})
	const each = 3 * quietLines
	for range each {
		r.wantStatus(t, messageAdded(), http.StatusServiceUnavailable)
	}
	for range each {
		r.wantStatus(t, messageAdded().sign("another"), http.StatusForbidden)
	}
	for i := range each { // a stranger who tries paths
		r.wantStatus(t, webhook{method: "POST", target: fmt.Sprintf("/webhooks/%d", i)}, http.StatusNotFound)
		r.wantStatus(t, webhook{method: "POST", target: fmt.Sprintf("/%d", i)}, http.StatusNotFound)
	}
	now = now.Add(quietEvery)
	r.wantStatus(t, messageAdded(), http.StatusServiceUnavailable)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	if len(lines) != 3*quietLines+1 {
		t.Errorf("got %d lines, want %d of each outcome and one later", len(lines), quietLines)
	}
	var last struct {
		Outcome    string
		Suppressed int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Outcome != string(notStored) || last.Suppressed != each-quietLines {
		t.Errorf("got %+v, want the next line to say that %d were left out", last, each-quietLines)
	}
	if got := testutil.ToFloat64(r.metrics.webhooks.WithLabelValues("conversations", string(notStored))); got != each+1 {
		t.Errorf("got %v webhooks counted, want all %d", got, each+1)
	}
}
