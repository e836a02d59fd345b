package scaling

import "time"

// run is a simulation under way.
type run struct {
	Scenario
	arrivals  *chance // apart from all else, so that what is done about webhooks does not change them
	chance    *chance
	agenda    agenda
	now       time.Duration
	lanes     []*lane
	processes []*process
	queue     []partition
	tally     *tally
}

// partition is a part of QUEUE: what its consumer has handed out, and what waits until some of that is done.
type partition struct {
	held    int
	waiting []delivery
}

type delivery struct {
	lane int
	item item
}

// Run simulates s. The same Scenario gives the same Result.
func Run(s Scenario) Result { return simulate(s, func(item, time.Duration) {}) }

// simulate tells observe of each event that is stored and when that was.
func simulate(s Scenario, observe func(item, time.Duration)) Result {
	r := newRun(s.withDefaults())
	r.tally.observe = observe
	end := r.WarmUp + r.Measure
	r.agenda.plan(moment{what: burstBegins})
	for {
		m := r.agenda.next()
		if m.at >= end {
			return r.tally.end(r.Measure)
		}
		r.now = m.at
		r.happen(m)
	}
}

func newRun(s Scenario) *run {
	r := &run{
		Scenario: s, arrivals: newChance(s.Seed, 1, s.Load), chance: newChance(s.Seed, 2, Load{}), tally: newTally(s.WarmUp),
		queue: make([]partition, s.Enrich.Partitions), lanes: make([]*lane, s.Load.Conversations),
	}
	for range s.Enrich.Processes {
		most := float64(s.Enrich.Concurrency)
		r.processes = append(r.processes, &process{
			throttle: throttle{most: most, limit: most},
			shelf:    shelf{age: s.Enrich.RosterAge, weight: 1 + s.Enrich.Roster},
		})
	}
	for n := range r.lanes {
		r.lanes[n] = &lane{}
	}
	return r
}

func (r *run) processOf(lane int) *process { return r.processes[lane%len(r.processes)] }

func (r *run) happen(m moment) {
	switch m.what {
	case burstBegins:
		r.burst()
	case webhookComes:
		r.webhook(m.lane, m.left)
	case callEnds:
		r.ended(m.lane)
	case laneRetries:
		r.retry(m.lane)
	case eventStored:
		r.stored(m.lane)
	}
}

// burst begins one, and plans the next.
func (r *run) burst() {
	mean := time.Duration(float64(time.Second) * r.Load.Burst / r.Load.Rate)
	r.agenda.plan(moment{at: r.now + r.arrivals.wait(mean), what: burstBegins})
	r.webhook(r.conversation(), r.arrivals.burst(r.Load.Burst)-1)
}

func (r *run) conversation() int {
	if r.Load.Conversations > 0 {
		return r.arrivals.conversation()
	}
	r.lanes = append(r.lanes, &lane{})
	return len(r.lanes) - 1
}

// webhook stores one in QUEUE, and plans the next of its burst.
func (r *run) webhook(n, left int) {
	if left > 0 {
		r.agenda.plan(moment{at: r.now + r.arrivals.wait(r.Load.Gap), what: webhookComes, lane: n, left: left - 1})
	}
	it := item{arrived: r.now, changes: r.Load.Changes > 0 && r.arrivals.Float64() < r.Load.Changes}
	r.tally.arrived(r.now)
	q := &r.queue[n%len(r.queue)]
	q.waiting = append(q.waiting, delivery{n, it})
	r.deliver(q)
}

// deliver hands out what a partition may.
func (r *run) deliver(q *partition) {
	for q.held < maxAckPending && len(q.waiting) > 0 {
		d := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.held++
		d.item.came = r.now
		l := r.lanes[d.lane]
		l.items = append(l.items, d.item)
		r.step(d.lane)
	}
}

// release makes room in the lane's partition.
func (r *run) release(n int) {
	q := &r.queue[n%len(r.queue)]
	q.held--
	r.deliver(q)
}

func (r *run) retry(n int) {
	r.lanes[n].busy = false
	r.step(n)
}
