package enrich

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// item is a waiting task with what is known for it. Tens of thousands may wait, so what is equal is kept in memory once, and
// what most have no use for yet is made only when it is needed. Only its lane's goroutine uses it, but for task, ledSince and headSince, which p.mu guards.
type item struct {
	task      Task
	seq       uint64
	came      time.Time // when it was first handed to this process
	ledSince  time.Time // when it became the first on its key
	headSince time.Time // the same, moved on by the time in which no call could be made

	id    uint64  // a hash of the event's
	kept  int     // bytes of its event; 0 when it was shed
	needs *needs  // others may have the same
	spent *effort // nil before the first; see effort and changeEffort
}

// needs is what the enrichment of an event takes. It does not change.
type needs struct {
	api     events.API     // the event's, as is:
	service validation.SID // the Conversations service that it names, "" for none
	calls   []call
}

// effort is what was done for an item.
type effort struct {
	event    *events.Event       // while it is worked on
	answers  []*answer           // to each of its calls, nil for none; nil before the first
	attempts int                 // calls made to Twilio for it
	failing  int                 // rounds in a row in which one gave no answer that stands
	failed   int                 // the last round in which one did not
	suspects int                 // rounds in which an answer departed from the documentation
	failure  *participants.Error // of the last one that failed
	letter   *events.DeadLetter  // set once nothing else can become of it
}

var idSeed = maphash.MakeSeed()

func newItem(t Task, e *events.Event) *item {
	return &item{
		task: t, seq: t.Sequence(), came: time.Now(), id: maphash.String(idSeed, e.ID),
		needs: &needs{api: e.API, service: e.Refs.ChatServiceSID, calls: slices.Collect(callsOf(e))},
	}
}

// share lets item have the needs of other, if they are the same.
func (item *item) share(other *item) {
	mine, others := item.needs, other.needs
	if mine.api == others.api && mine.service == others.service && slices.Equal(mine.calls, others.calls) {
		item.needs = others
	}
}

// effort returns what was done for item so far.
func (item *item) effort() effort {
	if item.spent == nil {
		return effort{}
	}
	return *item.spent
}

// changeEffort returns what was done for item so far, for the caller to change.
func (item *item) changeEffort() *effort {
	if item.spent == nil {
		item.spent = &effort{}
	}
	return item.spent
}

// missing returns a call that is still to be made for item.
func (item *item) missing() (call, bool) {
	e := item.effort()
	if e.letter != nil {
		return call{}, false
	}
	for i, c := range item.needs.calls {
		if e.answers == nil || e.answers[i] == nil {
			return c, true
		}
	}
	return call{}, false
}

// answered reports whether some call has been made for item and none is missing.
func (item *item) answered() bool {
	_, missing := item.missing()
	return !missing && len(item.effort().answers) > 0
}

// answerTo returns what stands after c, nil when there is nothing yet, or when c is none of its calls.
func (item *item) answerTo(c call) *answer {
	answers := item.effort().answers
	if i := slices.Index(item.needs.calls, c); i >= 0 && answers != nil {
		return answers[i]
	}
	return nil
}

// give lets a stand as the answer to c.
func (item *item) give(c call, a *answer) {
	e := item.changeEffort()
	if e.answers == nil {
		e.answers = make([]*answer, len(item.needs.calls))
	}
	for i := range item.needs.calls {
		if item.needs.calls[i] == c {
			e.answers[i] = a
		}
	}
}

// count notes a call made for item. Of those that fail side by side, in one round, the first alone counts as a try.
func (item *item) count(a *answer, round int) {
	e := item.changeEffort()
	e.attempts++
	e.failure = cmp.Or(a.failure, e.failure)
	switch {
	case rules[a.verdict].final:
		e.failing = 0
	case e.failed != round:
		e.failed = round
		e.failing++
		if a.verdict == verdictSuspect {
			e.suspects++
		}
	}
}
