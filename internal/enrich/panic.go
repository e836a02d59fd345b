package enrich

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// site is where a panic was caught: a closed list, and the label of the panics metric.
type site string

const (
	inCall site = "call" // a call to Twilio: decoding its answer, as a rule
	inTurn site = "turn" // anything else that is done for an event
)

func sites() []site { return []site{inCall, inTurn} }

// guard calls f and returns its error. Should f panic, it counts that, logs it with its stack, and returns the *participants.Error
// of an answer that departs from the documentation: whatever f was given, it could not be worked on, and may be next time. What the panic
// said is not told: it may quote what somebody wrote.
func (p *Pipeline) guard(where site, f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			p.metrics.panics.WithLabelValues(string(where)).Inc()
			p.log.LogAttrs(context.Background(), slog.LevelError, "caught a panic: its event is tried again, then a dead letter. Report the stack",
				slog.String("where", string(where)), slog.String("panic", fmt.Sprintf("%T", value)), slog.String("stack", string(debug.Stack())))
			err = &participants.Error{
				Failure: participants.FailureContract, Operation: string(where),
				Problems: validation.Problems{{Field: "answer", Rule: "panic"}},
			}
		}
	}()
	return f()
}

// guardedTurn is turn. After a panic the item waits and has another, up to as many as an answer that departs from the documentation has
// tries; then it is a dead letter for the same reason. Should its burial panic too, it goes on waiting: that delays its own
// conversation alone.
func (l *lane) guardedTurn(item *item) {
	err := l.p.guard(inTurn, func() error { l.turn(item); return nil })
	if err == nil {
		return
	}
	l.misses++ // while stopping the item is given back
	e := item.changeEffort()
	e.suspects++
	e.failure = asFailure(err)
	r := rules[verdictSuspect]
	if event := l.taskOf(item).Event(); e.letter == nil && e.suspects >= r.tries && event.ID != "" {
		e.letter = item.letterFor(&event, r.reason, e.failure)
	}
	l.pause(r.delay(e.suspects, e.failure), nil)
}
