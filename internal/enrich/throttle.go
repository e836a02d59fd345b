package enrich

import (
	"context"
	"slices"
	"sync"
	"time"
)

// throttle bounds how many calls are under way for one account: fewer after each
// 429, slowly more while all is well (additive increase, multiplicative decrease).
// Twilio's concurrency limit is the account's, unpublished, and shared with everything
// else that uses the account, so it can only be found by trying. First come, first served.
type throttle struct {
	most float64 // the limit when all is well

	mu    sync.Mutex
	limit float64
	used  int
	queue []chan struct{} // closed when that caller has a place
	cut   time.Time       // when the limit was last cut
}

const (
	throttleCut  = 0.7
	throttleKept = 10 * time.Minute // for so long a cut limit says something, though no call was made since
)

func newThrottle(most int) *throttle {
	return &throttle{most: float64(most), limit: float64(most)}
}

// acquire waits for a place. After nil, release must be called.
func (t *throttle) acquire(ctx context.Context) error {
	t.mu.Lock()
	if t.used < int(t.limit) && len(t.queue) == 0 {
		t.used++
		t.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	t.queue = append(t.queue, granted)
	t.mu.Unlock()

	select {
	case <-granted:
		return nil
	case <-ctx.Done():
		t.abandon(granted)
		return ctx.Err()
	}
}

// abandon leaves the queue, or passes on a place that came at the last moment.
func (t *throttle) abandon(granted chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.queue, granted); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
		return
	}
	t.used--
	t.grant()
}

func (t *throttle) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used--
	t.grant()
}

// slower cuts the limit, once for all calls that were under way together: began is when
// the refused one began.
func (t *throttle) slower(began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if began.Before(t.cut) {
		return
	}
	t.cut = time.Now()
	t.limit = max(1, t.limit*throttleCut)
}

// faster raises the limit by about one for each round of calls that went well.
func (t *throttle) faster() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = min(t.most, t.limit+1/t.limit)
	t.grant()
}

// isFresh reports whether a new one would do as well.
func (t *throttle) isFresh() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit == t.most || time.Since(t.cut) > throttleKept
}

// grant gives free places to the first in the queue. t.mu is held.
func (t *throttle) grant() {
	for t.used < int(t.limit) && len(t.queue) > 0 {
		t.used++
		close(t.queue[0])
		t.queue = t.queue[1:]
	}
}
