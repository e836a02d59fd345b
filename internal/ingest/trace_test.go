package ingest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

func TestTraceReachesTheStore(t *testing.T) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var inStore trace.SpanContext
	r := start(t, Config{}, nil, func(r *rig) {
		r.tracer = provider.Tracer("test")
		r.shelf.put = func(ctx context.Context, _ events.Event) error {
			inStore = trace.SpanContextFromContext(ctx)
			return errAway
		}
	})
	const claimed = "0af7651916cd43dd8448eb211c80319c"
	w := messageAdded()
	w.header = http.Header{"Traceparent": {"00-" + claimed + "-b7ad6b7169203331-01"}, "Tracestate": {"vendor=a-strangers-text"}}
	r.wantStatus(t, w, http.StatusServiceUnavailable)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].SpanContext().TraceID() != inStore.TraceID() || !inStore.IsValid() {
		t.Fatalf("got %d spans and %v in the store, want one, and its context there", len(ended), inStore)
	}
	span := ended[0]
	if span.SpanContext().TraceID().String() == claimed || span.Parent().IsValid() {
		t.Error("got the trace that the request claimed, want a trace of our own")
	}
	if links := span.Links(); len(links) != 1 || links[0].SpanContext.TraceID().String() != claimed {
		t.Errorf("got links %v, want the claimed trace", links)
	} else if state := links[0].SpanContext.TraceState().String(); state != "" {
		t.Errorf("got trace state %q in the link, want nothing of it", state)
	}
	if span.Name() != "webhook conversations" || span.Status().Description != string(notStored) {
		t.Errorf("got span %q with status %v", span.Name(), span.Status())
	}
	if log := r.log.String(); !strings.Contains(log, inStore.TraceID().String()) {
		t.Errorf("got log without the trace's id: %s", log)
	}
}
