package enrich

import (
	"context"
	"log/slog"

	"github.com/rollcall-events/rollcall/events"
)

// report counts how it ended and, unless it was plainly enriched, says so in one line with everything folded in.
func (p *Pipeline) report(it *item, o outcome) {
	event := it.task.Event()
	p.metrics.events.WithLabelValues(string(o), string(event.API)).Inc()
	level := slog.LevelInfo
	switch {
	case it.letter != nil && o != outcomeForgotten:
		level = slog.LevelWarn
	case o == outcomeForgotten: // it comes again, or was told of before; after an outage there are many
		level = slog.LevelDebug
	case it.attempts > len(it.answers), o == outcome(events.RosterGone):
	default:
		return
	}
	attrs := []slog.Attr{
		slog.String("event_id", event.ID),
		slog.String("api", string(event.API)),
		slog.String("resource", event.Resource),
		slog.String("action", event.Action),
		slog.String("outcome", string(o)),
		slog.Int("attempts", it.attempts),
	}
	p.log.LogAttrs(context.Background(), level, "event finished", append(attrs, it.failureAttrs()...)...)
}

// failureAttrs tell of the last call that failed for the item, if its last call did.
func (it *item) failureAttrs() []slog.Attr {
	e := it.failure
	if e == nil {
		return nil
	}
	return []slog.Attr{
		slog.String("failure", string(e.Failure)),
		slog.Int("status", e.Status),
		slog.Int("code", e.Code),
		slog.String("request_id", e.RequestID),
	}
}
