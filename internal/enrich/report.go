package enrich

import (
	"context"
	"log/slog"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// report counts how item ended and, unless it was plainly enriched, says so in one line with everything folded in.
func (p *Pipeline) report(item *item, o outcome) {
	done := item.effort()
	p.metrics.events.WithLabelValues(string(o), string(item.needs.api)).Inc()
	level := slog.LevelInfo
	switch {
	case done.letter != nil && o != outcomeForgotten:
		level = slog.LevelWarn
	case o == outcomeForgotten: // it comes again, or was told of before; after an outage there are many
		level = slog.LevelDebug
	case done.attempts > len(done.answers), o == outcome(events.RosterGone):
	default:
		return
	}
	if !p.log.Enabled(context.Background(), level) {
		return
	}
	event := item.task.Event() // nothing but the API is known of one that was shed and never the head
	attrs := []slog.Attr{
		slog.String("event_id", event.ID),
		slog.String("api", string(item.needs.api)),
		slog.String("resource", event.Resource),
		slog.String("action", event.Action),
		slog.String("outcome", string(o)),
		slog.Int("attempts", done.attempts),
	}
	p.log.LogAttrs(context.Background(), level, "event finished", append(attrs, failureAttrs(done.failure)...)...)
}

// failureAttrs tell of the last call that failed for an item; e is nil for none.
func failureAttrs(e *participants.Error) []slog.Attr {
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
