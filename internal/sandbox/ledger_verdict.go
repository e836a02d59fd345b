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

// Verdict is what a Ledger says of a run. All of Lost to Strange must be 0.
type Verdict struct {
	Sent                int         // webhooks, each as often as it was sent
	Answers             map[int]int // webhooks by status; 0: no answer
	Owed                int         // events of webhooks that were answered with 2xx
	Raw, Enriched, Dead int         // messages

	Lost        int // answered with 2xx and neither in ENRICHED nor in DEAD, itself or replayed
	Twice       int // more than once in ENRICHED and DEAD together, itself or replayed
	OutOfOrder  int // in ENRICHED: see outOfOrder
	Refused     int // in RAW, ENRICHED or DEAD though every answer was a refusal (403, say)
	WronglyDead int // letters in DEAD with a reason that is none of Webhook.MayBeDead
	Stale       int // with a roster that was fetched before the event was received
	Strange     int // messages that cannot be read, or are of events that were never sent

	Problems []string // the first few of each kind, for people
}

// problemsShown bounds how many Problems of one kind a Verdict tells.
const problemsShown = 5

// Judge says what came of all that was sent. It is for the end: what was answered with 2xx and
// has not come out counts as lost.
func (l *Ledger) Judge() Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{
		Sent: l.sent, Answers: maps.Clone(l.answers),
		Raw: l.out[events.StageRaw], Enriched: l.out[events.StageEnriched], Dead: l.out[events.StageDead],
	}
	for _, e := range slices.SortedFunc(maps.Values(l.entries), func(a, b *entry) int { return cmp.Compare(a.began, b.began) }) {
		v.judge(e)
	}
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		for _, e := range outOfOrder(l.keys[key]) {
			v.count(&v.OutOfOrder, "event %s came out of order on %s", e.id, key)
		}
	}
	for _, s := range l.strange {
		v.count(&v.Strange, "%s", s)
	}
	return v
}

func (v *Verdict) judge(e *entry) {
	if e.answered > 0 {
		v.Owed++
	}
	enriched, dead := e.out()
	switch {
	case e.answered > 0 && enriched+dead == 0:
		v.count(&v.Lost, "event %s was answered with 2xx and did not come out (place in RAW: %d)", e.id, e.raw)
	case e.answered == 0 && !e.uncertain && (enriched+dead > 0 || e.raw > 0):
		v.count(&v.Refused, "event %s was refused and came out", e.id)
	}
	if enriched+dead > 1 {
		v.count(&v.Twice, "event %s came out %d times enriched and %d times dead (place in RAW: %d)", e.id, enriched, dead, e.raw)
	}
	for _, came := range append([]*entry{e}, e.replays...) {
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

// outOfOrder returns those of one key's events, as they came out, that should have come out before another that they
// came after. Two orders are looked at:
//
//   - that of RAW, whoever sent and however many at once;
//   - that of sending: where one webhook had its 2xx before another was first sent, their events come out in this
//     order. Webhooks under way at the same time are in no order, so that this judges a key with one sequential sender
//     wholly. It holds for senders of one ingest: with two, what waits in the outbox of one is passed by what
//     the other stores, and the order is the one of RAW alone.
//
// An event that came out before counts when it came out first.
func outOfOrder(came []*entry) (late []*entry) {
	var raw, began uint64 // the most of those that came before
	seen := make(map[*entry]bool, len(came))
	for _, e := range came {
		if seen[e] {
			continue // counted as twice
		}
		seen[e] = true
		if e.raw > 0 && e.raw < raw || e.answered > 0 && e.answered < began {
			late = append(late, e)
		}
		raw, began = max(raw, e.raw), max(began, e.began)
	}
	return late
}

// Err is nil when all came out as it must, or says what did not.
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

// Table is the figures, for people. calls is how many calls the participants API was asked for.
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
	row("roster too old", v.Stale)
	row("strange", v.Strange)
	row("API calls", calls)
	row("API calls per event", fmt.Sprintf("%.2f", float64(calls)/float64(max(v.Enriched+v.Dead, 1))))
	return b.String()
}
