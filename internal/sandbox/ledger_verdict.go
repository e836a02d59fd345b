package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-events/rollcall/events"
)

// Verdict is what a Ledger found in a run. Everything from Lost to Strange must be 0.
type Verdict struct {
	Sent                int         // webhooks, counting every attempt
	Answers             map[int]int // webhooks by status; 0: no answer
	Owed                int         // events of webhooks that were answered with 2xx
	Raw, Enriched, Dead int         // messages

	// For JudgeIngest read RAW for ENRICHED.
	Lost        int // answered with 2xx and neither in ENRICHED nor in DEAD, itself or replayed
	Twice       int // more than once in ENRICHED and DEAD together, itself or replayed
	OutOfOrder  int // in ENRICHED: see outOfOrder
	Refused     int // in RAW, ENRICHED or DEAD although every answer was a refusal, such as 403
	WronglyDead int // in DEAD for a reason that is not among Webhook.MayBeDead, other than missed
	Stale       int // with a roster that was fetched before the event was received
	Strange     int // messages that cannot be decoded, or whose event was never sent

	Missed int // in DEAD because the audit found that they came to no enricher. Each has its one outcome, and yet something let go of it

	Problems []string // the first few of each kind, for people
}

// problemsShown is how many Problems of one kind a Verdict has at most.
const problemsShown = 5

// Judge returns the verdict on everything so far. It is for the end of a run: what was answered with 2xx
// and has not come out counts as lost.
func (l *Ledger) Judge() Verdict { return l.judge(events.StageEnriched) }

// JudgeIngest is Judge for an ingest with no enricher behind it: RAW takes the place of ENRICHED. What was answered with 2xx must be in
// RAW or in DEAD, once, and RAW must have the order of sending.
func (l *Ledger) JudgeIngest() Verdict { return l.judge(events.StageRaw) }

// judge returns the verdict when what does not die comes out at the given stage.
func (l *Ledger) judge(end events.Stage) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{
		Sent: l.sent, Answers: maps.Clone(l.answers),
		Raw: l.out[events.StageRaw], Enriched: l.out[events.StageEnriched], Dead: l.out[events.StageDead],
	}
	for _, e := range slices.SortedFunc(maps.Values(l.entries), func(a, b *entry) int { return cmp.Compare(a.began, b.began) }) {
		v.judge(e, end)
	}
	for _, key := range slices.Sorted(maps.Keys(l.keys[end])) {
		for _, e := range outOfOrder(l.keys[end][key]) {
			v.count(&v.OutOfOrder, "event %s came out of order on %s", e.id, key)
		}
	}
	for _, s := range l.strange {
		v.count(&v.Strange, "%s", s)
	}
	return v
}

func (v *Verdict) judge(e *entry, end events.Stage) {
	if e.answered > 0 {
		v.Owed++
	}
	alive, dead := e.times(end), e.times(events.StageDead)
	switch {
	case e.answered > 0 && alive+dead == 0:
		v.count(&v.Lost, "event %s was answered with 2xx and did not come out (place in RAW: %d)", e.id, e.raw)
	case e.answered == 0 && !e.uncertain && (alive+dead > 0 || e.raw > 0):
		v.count(&v.Refused, "event %s was refused and came out", e.id)
	}
	if alive+dead > 1 {
		v.count(&v.Twice, "event %s came out %d times %s and %d times dead (place in RAW: %d)", e.id, alive, end, dead, e.raw)
	}
	for _, came := range append([]*entry{e}, e.replays...) {
		v.Missed += came.missed
		for _, reason := range came.wrongly {
			v.count(&v.WronglyDead, "event %s is dead (%s), and had to be enriched or be dead for another reason (place in RAW: %d)", came.id, reason, came.raw)
		}
		if came.stale {
			v.count(&v.Stale, "event %s has a roster older than itself", came.id)
		}
	}
}

func (v *Verdict) count(kind *int, format string, args ...any) {
	if *kind++; *kind <= problemsShown {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}

// outOfOrder returns those of came, the events of one key in the order in which they came out, that came after an event
// which they should have preceded. There are two orders to keep:
//
//   - that of RAW, whoever sent the webhooks and however many at once;
//   - that of sending: if one webhook had its 2xx before another was first sent, their events come out in this
//     order. Webhooks that are under way at the same time have no order. This holds for a single ingest only: with two,
//     events that wait in the outbox of one can be overtaken by those that the other stores.
//
// An event that came out several times counts when it first came out.
func outOfOrder(came []*entry) (late []*entry) {
	var raw, began uint64 // the highest so far
	seen := make(map[*entry]bool, len(came))
	for _, e := range came {
		if seen[e] {
			continue // it counts as twice
		}
		seen[e] = true
		if e.raw > 0 && e.raw < raw || e.answered > 0 && e.answered < began {
			late = append(late, e)
		}
		raw, began = max(raw, e.raw), max(began, e.began)
	}
	return late
}

// Err returns nil if everything came out as it must, else an error that says what did not.
func (v Verdict) Err() error {
	if v.Lost+v.Twice+v.OutOfOrder+v.Refused+v.WronglyDead+v.Stale+v.Strange == 0 {
		return nil
	}
	return errors.New(strings.Join(append([]string{v.faults()}, v.Problems...), "\n"))
}

func (v Verdict) faults() string {
	return fmt.Sprintf("%d lost, %d twice, %d out of order, %d refused but stored, %d wrongly dead, %d with an old roster, %d strange",
		v.Lost, v.Twice, v.OutOfOrder, v.Refused, v.WronglyDead, v.Stale, v.Strange)
}

// Table returns the figures, for people. calls is how many calls the participants APIs received.
func (v Verdict) Table(calls int) string {
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "%-24s %8v\n", name, value) }
	row("webhooks sent", v.Sent)
	for _, status := range slices.Sorted(maps.Keys(v.Answers)) {
		name := fmt.Sprintf("  answered %d", status)
		if status == 0 {
			name = "  not answered"
		}
		row(name, v.Answers[status])
	}
	row("events answered 2xx", v.Owed)
	row("  in RAW", v.Raw)
	row("  enriched", v.Enriched)
	row("  dead", v.Dead)
	row("lost", v.Lost)
	row("twice", v.Twice)
	row("out of order", v.OutOfOrder)
	row("refused but stored", v.Refused)
	row("wrongly dead", v.WronglyDead)
	row("missed, and found", v.Missed)
	row("roster too old", v.Stale)
	row("strange", v.Strange)
	row("API calls", calls)
	row("API calls per event", fmt.Sprintf("%.2f", float64(calls)/float64(max(v.Enriched+v.Dead, 1))))
	return b.String()
}
