package broker

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffLeast = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff is how long to wait after each failure in a row.
type backoff struct{ last time.Duration }

func (b *backoff) reset() { b.last = 0 }

// sleep waits longer each time, with jitter, but only until ctx is done or reconnected is closed. That is for a new connection: what failed
// for want of one need not wait.
func (b *backoff) sleep(ctx context.Context, reconnected <-chan struct{}) {
	b.last = min(max(2*b.last, backoffLeast), backoffMost)
	t := time.NewTimer(b.last/2 + rand.N(b.last/2)) //nolint:gosec // jitter is no secret
	defer t.Stop()
	select {
	case <-t.C:
	case <-reconnected:
		b.reset()
	case <-ctx.Done():
	}
}
