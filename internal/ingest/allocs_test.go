package ingest

import (
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// quietWriter is a ResponseWriter that allocates nothing.
type quietWriter struct{ header http.Header }

func (w quietWriter) Header() http.Header         { return w.header }
func (w quietWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w quietWriter) WriteHeader(int)             {}

// TestAWebhookAllocatesLittle holds what this package itself does for every webhook to a budget of allocations and of bytes: a table made
// anew for each, or a body's buffer that grows from nothing, is beyond it. What reading the event takes is held to one where it is read.
func TestAWebhookAllocatesLittle(t *testing.T) {
	s, err := New(Config{PublicURLs: []string{base}}, nowhere{}, keys(token, account), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	w := messageAdded().sign(token)
	body := strings.NewReader(w.body)
	parsed, _ := events.Parse(events.Delivery{Feed: events.FeedConversations, Method: w.method, ContentType: w.media, Body: []byte(w.body), ReceivedAt: s.now()})
	s.parse = func(events.Delivery) ([]events.Event, []events.DeadLetter) { return parsed, nil }
	req, err := http.NewRequestWithContext(t.Context(), w.method, base+w.target, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	req.RequestURI, req.ContentLength = w.target, int64(len(w.body))
	req.Header = http.Header{"Content-Type": {w.media}, "X-Twilio-Signature": {w.signature}}
	writer := quietWriter{http.Header{}}
	allocations, size := measured(func() {
		body.Reset(w.body)
		s.Handler().ServeHTTP(writer, req)
	})
	t.Logf("%.0f allocations, %.0f bytes", allocations, size)
	const budget, bytes = 40, 4600
	if allocations > budget || size > bytes {
		t.Errorf("got %.0f allocations and %.0f bytes, want %d and %d at most", allocations, size, budget, bytes)
	}
	if got := s.metrics.feeds[events.FeedConversations].outcomes[stored]; testutil.ToFloat64(got) == 0 {
		t.Error("got no webhook stored, want all")
	}
}

// measured is what a call of f allocates, in number and in bytes.
func measured(f func()) (allocations, bytes float64) {
	const runs = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	allocations = testing.AllocsPerRun(runs, f)
	runtime.ReadMemStats(&after)
	return allocations, float64(after.TotalAlloc-before.TotalAlloc) / (runs + 1) // the first call is not counted, but made
}
