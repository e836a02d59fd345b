package ingest

import (
	"sync"
	"time"
)

// How many log lines webhooks of one outcome may take: during an outage, or an attack, each webhook
// would write the same line. The metrics count them all.
const (
	quietLines = 10
	quietEvery = 10 * time.Second
)

// quiet lets a few log lines of each outcome through.
type quiet struct {
	mu    sync.Mutex
	spent map[outcome]*spent
}

type spent struct {
	since      time.Time
	lines      int
	suppressed int
}

// allow reports whether a line about o may be written now, and how many were suppressed since the last one.
func (q *quiet) allow(o outcome, now time.Time) (suppressed int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.spent == nil {
		q.spent = make(map[outcome]*spent)
	}
	s := q.spent[o]
	if s == nil {
		s = &spent{since: now}
		q.spent[o] = s
	}
	if now.Sub(s.since) >= quietEvery {
		s.since, s.lines = now, 0
	}
	if s.lines == quietLines {
		s.suppressed++
		return 0, false
	}
	s.lines++
	suppressed, s.suppressed = s.suppressed, 0
	return suppressed, true
}
