package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// report counts a webhook and writes its one log line, unless too many like it were written just now and nobody
// asked for debugging. The line holds words from closed lists, identifiers that have been checked, and
// errors of our own: nothing else of what was sent.
func (s *Service) report(ctx context.Context, rt route, res result, status int, took time.Duration) {
	s.metrics.observe(rt.feed, res, took)
	level := s.verdicts[res.outcome].level
	if !s.log.Enabled(ctx, level) {
		return
	}
	suppressed, ok := 0, true
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		suppressed, ok = s.quiet.allow(res.outcome, s.now())
	}
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("feed", feedLabel(rt.feed)), slog.String("outcome", string(res.outcome)),
		slog.Int("status", status), slog.Int64("took_ms", took.Milliseconds()),
	}
	attrs = append(attrs, res.attrs()...)
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	s.log.LogAttrs(ctx, level, "webhook", attrs...)
}

// attrs tells of the first event and the first dead letter, and how many there are: all feeds but
// Event Streams bring one, and that one too in practice.
func (res result) attrs() (attrs []slog.Attr) {
	if len(res.accepted) > 0 {
		e := res.accepted[0]
		attrs = append(attrs, slog.Int("events", len(res.accepted)), slog.String("event_id", e.ID),
			slog.String("account_sid", string(e.Account)), slog.String("key", e.Key()),
			slog.String("type", string(e.API)+"."+e.Resource+"."+e.Action))
	}
	if len(res.rejected) > 0 {
		d := res.rejected[0]
		attrs = append(attrs, slog.Int("dead_letters", len(res.rejected)), slog.String("dead_letter_id", d.ID),
			slog.String("reason", string(d.Reason)), slog.String("dead_letter_account_sid", string(d.Account)))
	}
	if res.err != nil {
		attrs = append(attrs, slog.Any("error", res.err))
	}
	if crash := (*panicError)(nil); errors.As(res.err, &crash) {
		attrs = append(attrs, slog.String("stack", string(crash.stack)))
	}
	return attrs
}

// startSpan begins a trace of our own and links the one that the request claims to be part of: whoever
// can reach us must not decide what we sample.
func (s *Service) startSpan(r *http.Request, rt route) (context.Context, trace.Span) {
	start := s.spans[rt.path]
	options := start.options
	claimed := trace.SpanContextFromContext(otel.GetTextMapPropagator().Extract(context.Background(), propagation.HeaderCarrier(r.Header)))
	if claimed.IsValid() {
		claimed = claimed.WithTraceState(trace.TraceState{}) // text of a stranger's choice
		options = append(options, trace.WithLinks(trace.Link{SpanContext: claimed}))
	}
	return s.tracer.Start(r.Context(), start.name, options...) //nolint:spancheck // the caller ends it
}

// spanStart is what the spans of one route begin with.
type spanStart struct {
	name    string
	options []trace.SpanStartOption // with no room to append in place: all webhooks share it
}

func spanStarts() map[string]spanStart {
	starts := make(map[string]spanStart)
	for _, rt := range append(routes(), route{}) {
		options := []trace.SpanStartOption{
			trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.route", rt.path), attribute.String("rollcall.feed", feedLabel(rt.feed))),
		}
		starts[rt.path] = spanStart{"webhook " + feedLabel(rt.feed), slices.Clip(options)}
	}
	return starts
}

func endSpan(span trace.Span, res result, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("rollcall.outcome", string(res.outcome)), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError || res.outcome == lost || res.outcome == letBy {
		span.SetStatus(codes.Error, string(res.outcome))
	}
}
