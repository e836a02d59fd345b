package broker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

// When publishes that fail say that NATS is not well: so many in a row, and for so long after the last.
const (
	unstoredLeast = 3
	unstoredStays = 30 * time.Second
)

// unstored is what NATS took and did not store, by stage. A single server that could not write to its disk answers no publish any more, until it is
// started again, and goes on to refuse what is wrong with a probe: only what is really published tells.
// The zero value can be used.
type unstored struct {
	mu   sync.Mutex
	runs map[events.Stage]unstoredRun
}

type unstoredRun struct {
	n    int
	last time.Time
	how  outcome
}

// note takes down how a publish ended. One that did not come to be stored, for a reason of its own or for want of a connection, tells nothing.
func (u *unstored) note(stage events.Stage, how outcome, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch how {
	case outcomeStored, outcomeDuplicate:
		delete(u.runs, stage)
	case outcomeTimeout, outcomeRefused:
		if u.runs == nil {
			u.runs = make(map[events.Stage]unstoredRun)
		}
		u.runs[stage] = unstoredRun{u.runs[stage].n + 1, now, how}
	}
}

// err names every stage of which NATS stores nothing.
func (u *unstored) err(now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	for _, stage := range slices.Sorted(maps.Keys(u.runs)) {
		if run := u.runs[stage]; run.n >= unstoredLeast && now.Sub(run.last) < unstoredStays {
			errs = append(errs, fmt.Errorf("NATS stored none of the last %d messages on rollcall.%s.> (%s): where its disk was full, make room and start it again", run.n, stage, run.how))
		}
	}
	return errors.Join(errs...)
}
