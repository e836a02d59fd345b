package scaling

import "time"

// moment is something that happens at a time: what, and to whom.
type moment struct {
	at    time.Duration // since the beginning
	order uint64        // of what happens at the same time, the first planned comes first
	what  what
	lane  int
	left  int // of a burst: webhooks still to come
}

type what uint8

const (
	burstBegins what = iota
	webhookComes
	callEnds
	laneRetries
	eventStored
)

func (m moment) before(other moment) bool {
	return m.at < other.at || m.at == other.at && m.order < other.order
}

// agenda is what is still to happen: a heap, the earliest on top.
type agenda struct {
	moments []moment
	planned uint64
}

func (a *agenda) plan(m moment) {
	a.planned++
	m.order = a.planned
	a.moments = append(a.moments, m)
	h := a.moments
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// next takes the earliest moment out. There must be one.
func (a *agenda) next() moment {
	h := a.moments
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	a.moments = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return first
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
