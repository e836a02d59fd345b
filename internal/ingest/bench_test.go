package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
)

// nowhere is a Store that keeps nothing.
type nowhere struct{}

func (nowhere) Put(context.Context, events.Event) error       { return nil }
func (nowhere) Bury(context.Context, events.DeadLetter) error { return nil }

// BenchmarkWebhook is one webhook from its headers to its answer, without network and store.
func BenchmarkWebhook(b *testing.B) {
	for name, w := range map[string]webhook{
		"form":   messageAdded().sign(token),
		"json":   jsonBody(eventStreams, "["+cloudEvent("EZ1", "Hello")+"]").sign(token),
		"forged": messageAdded().sign("another"),
	} {
		b.Run(name, func(b *testing.B) {
			s, err := New(Config{PublicURLs: []string{base}}, nowhere{}, keys(token, account), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err != nil {
				b.Fatal(err)
			}
			handler := s.Handler()
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequestWithContext(b.Context(), w.method, w.target, strings.NewReader(w.body))
				req.Header = http.Header{"Content-Type": {w.media}, "X-Twilio-Signature": {w.signature}}
				handler.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}
