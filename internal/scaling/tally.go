package scaling

import (
	"slices"
	"time"
)

// Result is what a run came to, from the end of its warm-up on.
type Result struct {
	Arrivals int
	Events   int     // stored
	Calls    int     // ended or not, those that were refused included
	Refused  int     // with 429
	AtOnce   float64 // calls that Twilio worked on, on average
	Held     float64 // events that had come and were not stored, on average
	Growth   float64 // by which share of the events that came the backlog grew
	// How long the stored events had waited, without the call that answered them.
	Wait50, Wait99, WaitMean time.Duration
}

// CallsPerEvent is NaN where no event was stored.
func (r Result) CallsPerEvent() float64 { return float64(r.Calls) / float64(r.Events) }

// RefusedShare is of all calls; 0 where none was made.
func (r Result) RefusedShare() float64 { return float64(r.Refused) / float64(max(r.Calls, 1)) }

// stableBelow is what a backlog that stays as it is may seem to grow by, seen from one moment to another.
const stableBelow = 0.01

// Stable reports whether the backlog stayed as it was.
func (r Result) Stable() bool { return r.Growth < stableBelow }

// tally counts what happens from a moment on.
type tally struct {
	from    time.Duration
	result  Result
	waits   []time.Duration
	calls   level // that Twilio works on
	backlog level // events
	atFirst int   // the backlog then
	observe func(item, time.Duration)
}

// level is a number that changes, and its sum over time from the beginning of the count.
type level struct {
	value int
	since time.Duration
	area  float64
}

func (l *level) change(now time.Duration, by int) {
	l.area += float64(l.value) * float64(max(now-l.since, 0))
	l.value, l.since = l.value+by, max(now, l.since)
}

func newTally(from time.Duration) *tally {
	return &tally{from: from, calls: level{since: from}, backlog: level{since: from}}
}

func (t *tally) counts(now time.Duration) bool { return now >= t.from }

func (t *tally) arrived(now time.Duration) {
	t.backlog.change(now, 1)
	if t.counts(now) {
		t.result.Arrivals++
	} else {
		t.atFirst++
	}
}

func (t *tally) called(now time.Duration, refused bool) {
	if !refused {
		t.calls.change(now, 1)
	}
	if !t.counts(now) {
		return
	}
	t.result.Calls++
	if refused {
		t.result.Refused++
	}
}

func (t *tally) answered(now time.Duration) { t.calls.change(now, -1) }

func (t *tally) stored(now time.Duration, it item) {
	t.backlog.change(now, -1)
	t.observe(it, now)
	if !t.counts(now) {
		t.atFirst--
		return
	}
	t.result.Events++
	t.waits = append(t.waits, now-it.arrived-it.took)
}

// end gives the result of a count that lasted for the given time.
func (t *tally) end(lasted time.Duration) Result {
	now := t.from + lasted
	t.calls.change(now, 0)
	t.backlog.change(now, 0)
	r := t.result
	r.AtOnce, r.Held = t.calls.area/float64(lasted), t.backlog.area/float64(lasted)
	r.Growth = float64(t.backlog.value-t.atFirst) / float64(max(r.Arrivals, 1))
	if len(t.waits) == 0 {
		return r
	}
	slices.Sort(t.waits)
	var sum time.Duration
	for _, w := range t.waits {
		sum += w
	}
	r.WaitMean = sum / time.Duration(len(t.waits))
	r.Wait50, r.Wait99 = t.waits[len(t.waits)/2], t.waits[len(t.waits)*99/100]
	return r
}
