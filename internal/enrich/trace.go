package enrich

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// withTrace returns ctx in t's trace.
func withTrace(ctx context.Context, t Task) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(t.Context()))
}
