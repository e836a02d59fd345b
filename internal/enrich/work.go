package enrich

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// work does what can be done now for the head of the lane: the calls that are still missing, then its publication or its
// burial. t is the delivery that said that it is the head. When work returns, the item is finished, or Head must be asked again.
func (l *lane) work(item *item, t Task) {
	event, done := t.Event(), item.changeEffort()
	done.event = &event
	defer func() { done.event = nil }()
	ctx, span := l.p.tracer.Start(withTrace(l.p.finishing, t), "enrich "+event.Resource+"."+event.Action,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("rollcall.api", string(event.API)), attribute.String("rollcall.event_id", event.ID)))
	defer span.End()

	if done.letter == nil && !l.answerAll(ctx, item) {
		span.SetStatus(codes.Error, "not yet")
		return
	}
	if done.letter == nil {
		l.publish(ctx, item)
	}
	if done.letter != nil {
		span.SetStatus(codes.Error, string(done.letter.Reason))
		l.bury(ctx, item)
	}
}

// answerAll makes the calls that item still misses, and reports whether it has all that it needs now or
// never will.
func (l *lane) answerAll(ctx context.Context, item *item) bool {
	var missing []call
	for _, c := range item.needs.calls {
		if item.answerTo(c) == nil && !l.reuse(item, c) {
			missing = append(missing, c)
		}
	}
	for calls := range slices.Chunk(missing, atOnce) {
		if !l.fetch(ctx, item, calls) {
			return item.effort().letter != nil
		}
	}
	return true
}

// reuse gives item the answer to c that another event's call brought, if it may have that.
func (l *lane) reuse(item *item, c call) bool {
	a := l.p.shelf.find(c, item.effort().event, item.came)
	if a == nil {
		return false
	}
	item.give(c, a)
	l.p.metrics.reused.Inc()
	return true
}

// publish stores the enriched event, or sets the letter for which it cannot be.
func (l *lane) publish(ctx context.Context, item *item) {
	e := item.changeEffort()
	roster, stuck := assemble(item)
	if stuck != nil {
		e.letter = item.letterFor(e.event, rules[stuck.verdict].reason, stuck.failure)
		return
	}
	err := l.taskOf(item).Publish(ctx, events.Enriched{Event: *e.event, Roster: roster})
	switch {
	case err == nil:
		l.p.metrics.latency.Observe(time.Since(e.event.ReceivedAt).Seconds())
		l.finish(item, outcome(roster.Status))
	case isDone(err):
		l.finish(item, outcomeForgotten)
	case isTooLarge(err):
		e.letter = item.letterFor(e.event, events.ReasonTooLarge, nil)
	default:
		l.missed(err, opPublish)
	}
}

// bury stores the letter.
func (l *lane) bury(ctx context.Context, item *item) {
	letter := item.effort().letter
	err := l.taskOf(item).Bury(ctx, *letter)
	switch {
	case err == nil:
		l.finish(item, outcome(letter.Reason))
	case isDone(err):
		l.finish(item, outcomeForgotten)
	default:
		l.missed(err, opBury)
	}
}

// missed is what follows when NATS did not take something: nothing is known of it, so wait and ask Head again.
func (l *lane) missed(err error, o operation) {
	l.misses++
	l.p.metrics.storeFailures.WithLabelValues(string(o)).Inc()
	l.p.log.Debug("not stored: will ask again", "operation", o, "tries", l.misses, "error", err)
	l.pause(poll(l.misses), nil)
}

// letterFor says why event cannot be enriched.
func (item *item) letterFor(event *events.Event, reason events.Reason, e *participants.Error) *events.DeadLetter {
	d := event.Letter(reason, time.Now().UTC())
	d.Detail, d.Attempts = detail(reason, e), item.effort().attempts
	if e != nil {
		d.Problems = e.Problems
	}
	return &d
}

// detail is for people. Nothing of it comes from outside but Twilio's status and code, which are numbers.
func detail(reason events.Reason, e *participants.Error) string {
	var text string
	switch reason {
	case events.ReasonNotFound:
		text = "Twilio does not know what the event is about"
	case events.ReasonRefused:
		text = "Twilio refuses the call and would refuse it again"
	case events.ReasonContract:
		text = "Twilio's answers kept departing from its documentation"
	case events.ReasonOverdue:
		text = "the event held up its conversation for longer than allowed"
	case events.ReasonTooLarge:
		text = "the enriched event exceeds the largest message that NATS takes"
	}
	switch {
	case e == nil:
		return text
	case e.Failure != participants.FailureStatus:
		return fmt.Sprintf("%s; the last failure was %s", text, e.Failure)
	case e.Code == 0:
		return fmt.Sprintf("%s; the last answer was status %d", text, e.Status)
	default:
		return fmt.Sprintf("%s; the last answer was status %d, code %d", text, e.Status, e.Code)
	}
}

// asFailure returns the client's error in err, or nil.
func asFailure(err error) *participants.Error {
	e, _ := errors.AsType[*participants.Error](err)
	return e
}
