package scaling

import "time"

// process is one enricher: its throttle for the account and its shelf. Both do what those of internal/enrich do, on virtual time.
type process struct {
	throttle
	shelf
}

// throttle is how many calls may be under way: fewer after a 429, slowly more while all is well; first come, first served.
type throttle struct {
	most, limit float64
	used        int
	queue       []int // lanes that wait for their turn
	cut         time.Duration
	wasCut      bool
}

const throttleCut = 0.7 // internal/enrich's

// acquire reports whether lane may call now; if not, it is given its turn later.
func (t *throttle) acquire(lane int) bool {
	if t.used < int(t.limit) && len(t.queue) == 0 {
		t.used++
		return true
	}
	t.queue = append(t.queue, lane)
	return false
}

// grant returns the lanes whose turn it is.
func (t *throttle) grant() (turns []int) {
	for t.used < int(t.limit) && len(t.queue) > 0 {
		t.used++
		turns = append(turns, t.queue[0])
		t.queue = t.queue[1:]
	}
	return turns
}

// slower cuts the limit, once for all calls that were under way together.
func (t *throttle) slower(began, now time.Duration) {
	if t.wasCut && began < t.cut {
		return
	}
	t.cut, t.wasCut = now, true
	t.limit = max(1, t.limit*throttleCut)
}

func (t *throttle) faster() { t.limit = min(t.most, t.limit+1/t.limit) }

// shelf knows which lanes have an answer that may serve later events, for at most shelfMost participants in all.
type shelf struct {
	age    time.Duration
	weight int       // of one answer
	order  []shelved // as they were put, also those that another has replaced
}

// shelved is when the call for a lane began.
type shelved struct {
	lane  *lane
	began time.Duration
}

const shelfMost = 50_000 // internal/enrich's

// find reports whether an event that came to l at the given time has an answer here, and when its call began. One that changes who
// is there takes it away.
func (s *shelf) find(l *lane, changes bool, came time.Duration) (began time.Duration, found bool) {
	if changes {
		l.shelved = false
	}
	return l.kept, l.shelved && l.kept >= came-s.age
}

func (s *shelf) put(l *lane, began, now time.Duration) {
	if s.age == 0 {
		return
	}
	l.kept, l.shelved = began, true
	s.order = append(s.order, shelved{l, began})
	for len(s.order) > 0 && (len(s.order)*s.weight > shelfMost || s.order[0].began < now-s.age) {
		if old := s.order[0]; old.lane.kept == old.began {
			old.lane.shelved = false
		}
		s.order = s.order[1:]
	}
}
