package scaling

import "time"

// lane is the events of one conversation that its enricher holds, in order. It does one thing at a time.
type lane struct {
	items   []item
	busy    bool
	sharers int           // of the call under way: that many items from the first on
	began   time.Duration // of the call under way
	refused bool          // what Twilio will answer to it
	shelved bool          // its process keeps an answer
	kept    time.Duration // when that one's call began
}

// item is an event that waits.
type item struct {
	arrived time.Duration // at ingest
	came    time.Duration // to the enricher
	changes bool          // who is there
	failing int           // calls in a row that were refused

	answered bool
	began    time.Duration // of the call whose answer it has
	took     time.Duration // that call, for those who waited for it; 0 with an old roster
}

const (
	backoffFirst  = 250 * time.Millisecond // internal/enrich's
	backoffMost   = time.Minute            // internal/enrich's
	maxAckPending = 2000                   // internal/broker's by default: what a partition hands out at once
)

// step does what comes next in a lane: it stores the head's event, or calls for it.
func (r *run) step(n int) {
	l := r.lanes[n]
	if l.busy || len(l.items) == 0 {
		return
	}
	l.busy = true
	head, p := &l.items[0], r.processOf(n)
	if !head.answered {
		head.began, head.answered = p.find(l, head.changes, head.came)
	}
	switch {
	case head.answered:
		r.agenda.plan(moment{at: r.now + r.Enrich.Store, what: eventStored, lane: n})
	case p.acquire(n):
		r.call(n)
	}
}

// call makes the call that every event waits for that is in the lane now.
func (r *run) call(n int) {
	l := r.lanes[n]
	l.sharers, l.began = len(l.items), r.now
	l.refused = r.Twilio.Limit > 0 && r.tally.calls.value >= r.Twilio.Limit
	takes := r.Twilio.Refusal
	if !l.refused {
		takes = r.chance.latency(r.Twilio)
	}
	r.tally.called(r.now, l.refused)
	r.agenda.plan(moment{at: r.now + takes, what: callEnds, lane: n})
}

// ended learns from the call's answer.
func (r *run) ended(n int) {
	l, p := r.lanes[n], r.processOf(n)
	p.used--
	if l.refused {
		p.slower(l.began, r.now)
		r.backOff(n)
	} else {
		r.tally.answered(r.now)
		p.faster()
		p.put(l, l.began, r.now)
		l.give(r.now - l.began)
		l.busy = false
	}
	for _, turn := range p.grant() {
		r.call(turn)
	}
	r.step(n)
}

func (l *lane) give(took time.Duration) {
	for i := range l.items[:l.sharers] {
		it := &l.items[i]
		it.answered, it.began, it.took = true, l.began, took
	}
}

// backOff waits before the call is made again: exponentially, with full jitter.
func (r *run) backOff(n int) {
	l := r.lanes[n]
	for i := range l.items[:l.sharers] {
		l.items[i].failing++
	}
	d := min(backoffFirst<<min(l.items[0].failing-1, 10), backoffMost)
	r.agenda.plan(moment{at: r.now + r.chance.upTo(d), what: laneRetries, lane: n})
}

// stored takes the head out of its lane: it is in ENRICHED.
func (r *run) stored(n int) {
	l := r.lanes[n]
	head := l.items[0]
	l.items = l.items[1:]
	l.busy = false
	r.tally.stored(r.now, head)
	r.release(n)
	r.step(n)
}
