package enrich

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

// atOnce is how many calls for one event are under way side by side: a v2 message names its author and everybody it went to.
const atOnce = 8

// asked is one call and what became of it.
type asked struct {
	call    call
	sharers []*item
	answer  *answer       // nil when it was not made
	waited  time.Duration // until it was allowed to be made
	err     error         // why it was not made
}

// fetch makes the calls once, side by side, and reports whether item has all their answers; if not, it has waited
// as long as the policy says, or set the letter of item.
func (l *lane) fetch(ctx context.Context, item *item, calls []call) bool {
	began := time.Now()
	if len(calls) == 1 {
		return l.settle(item, began, []asked{l.ask(ctx, calls[0])})
	}
	all := make([]asked, len(calls))
	var under sync.WaitGroup
	for i, c := range calls {
		under.Go(func() { all[i] = l.ask(ctx, c) })
	}
	under.Wait()
	return l.settle(item, began, all)
}

// ask makes the call c once, for every item that waits for the same answer when the call
// begins: never for one that arrives later, since the answer could miss what that one is about. It changes no item.
func (l *lane) ask(ctx context.Context, c call) asked {
	admitted, waited, err := l.p.gate.enter(l.p.working, c)
	if err != nil {
		return asked{call: c, waited: waited, err: err}
	}
	sharers, service := l.sharers(c)
	a := &answer{began: time.Now().UTC()}
	ctx, cancel := context.WithTimeout(ctx, l.p.cfg.CallTimeout)
	defer cancel()
	ctx, span := l.p.tracer.Start(ctx, "fetch "+string(c.lookup), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.Int("rollcall.events", len(sharers))))
	ctx, sent := countRequests(ctx)
	err = l.p.guard(inCall, func() (err error) {
		a.participants, err = c.do(ctx, l.p.api, admitted.cred, service)
		return err
	})
	a.verdict, a.failure = judge(err), asFailure(err)
	span.SetAttributes(attribute.String("rollcall.verdict", string(a.verdict)))
	span.End()
	admitted.leave(a.verdict, a.failure, int(sent.Load()))
	l.p.shelf.put(c, a)
	l.p.metrics.called(c.lookup, a.verdict, time.Since(a.began))
	l.p.metrics.requests.WithLabelValues(string(c.lookup)).Add(float64(sent.Load()))
	return asked{call: c, sharers: sharers, answer: a, waited: waited}
}

// settle learns from all answers, and waits for the longest time that one of them asks for, or sets the letter when the
// event is overdue. It reports whether the item has all its answers. Time in which nothing could be asked does not make
// the event overdue, nor, when the host fails or there were too many calls, does any of the time since these began: neither
// says anything about the event. But a host that fails for longer than OutageTimeout may be one that fails for this event.
func (l *lane) settle(item *item, began time.Time, all []asked) (whole bool) {
	var waited, wait time.Duration
	excused, failing := false, false
	l.round++
	whole = true
	for _, a := range all {
		waited, wait = max(waited, a.waited), max(wait, l.learn(item, a))
		whole = whole && item.answerTo(a.call) != nil
		failing = failing || a.blamesHost()
		excused = excused || a.blamesPace() || a.blamesHost() && l.p.gate.hostOf(a.call).outage()
	}
	if excused {
		if (!failing || !l.outlasted(item)) && wait > 0 {
			l.pause(wait, nil)
		}
		l.excuse(item, time.Since(began))
		return whole
	}
	l.excuse(item, waited)
	if wait > 0 && !l.overdue(item) {
		l.pause(wait, nil)
	}
	return whole
}

// blamesHost reports whether there is no answer because of the host.
func (a asked) blamesHost() bool {
	if a.answer == nil {
		return errors.Is(a.err, errHostUnwell)
	}
	return rules[a.answer.verdict].host
}

// blamesPace reports whether there is no answer because the account was called too often.
func (a asked) blamesPace() bool { return a.answer != nil && a.answer.verdict == verdictSlow }

// learn gives an answer that stands to those who waited for it. For one that does not, it returns how long to wait
// before the call is made again.
func (l *lane) learn(item *item, a asked) time.Duration {
	switch {
	case errors.Is(a.err, errHostUnwell):
		l.leave() // and before the door again, until the host may be asked
		return 0
	case a.answer == nil:
		return 0 // held for a while, or stopping
	}
	r := rules[a.answer.verdict]
	shared := 0
	for _, s := range a.sharers {
		if s.count(a.answer, l.round); r.stands(s) {
			s.give(a.call, a.answer)
			shared++
		}
	}
	switch {
	case item.answerTo(a.call) != nil:
		l.p.metrics.coalesced.Add(float64(shared - 1))
		return 0
	case r.delay == nil:
		return 0
	}
	return r.delay(item.effort().failing, a.answer.failure)
}

// stands reports whether the verdict is the last word for the item.
func (r rule) stands(item *item) bool {
	return r.final || r.tries > 0 && item.effort().suspects >= r.tries
}

// overdue reports whether item has held up its conversation for too long, and sets its letter if so.
func (l *lane) overdue(item *item) bool {
	return l.expired(item, func() time.Time { return item.headSince }, l.p.cfg.HeadTimeout)
}

// outlasted reports whether item has waited for an end of the host's outage for too long, and sets its letter if so.
func (l *lane) outlasted(item *item) bool {
	return l.p.cfg.OutageTimeout > 0 && l.expired(item, func() time.Time { return item.ledSince }, l.p.cfg.OutageTimeout)
}

func (l *lane) expired(item *item, since func() time.Time, limit time.Duration) bool {
	l.p.mu.Lock()
	began := since()
	l.p.mu.Unlock()
	if time.Since(began) < limit {
		return false
	}
	e := item.changeEffort()
	e.letter = item.letterFor(e.event, events.ReasonOverdue, e.failure)
	return true
}
