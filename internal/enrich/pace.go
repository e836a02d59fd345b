package enrich

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace says when one account may be called next: not while Twilio wants it left alone, and not more
// often than the operator allows.
type pace struct {
	limiter *rate.Limiter

	mu    sync.Mutex
	until time.Time // Twilio wants no call before
}

// newPace returns the pace of at most perSecond calls a second, evenly spaced; 0 is no limit.
func newPace(perSecond float64) *pace {
	if perSecond == 0 {
		return &pace{limiter: rate.NewLimiter(rate.Inf, 1)}
	}
	return &pace{limiter: rate.NewLimiter(rate.Limit(perSecond), 1)}
}

// pause leaves the account alone for d from now on, or longer where it was told so before.
func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// paused returns for how long the account is still left alone; 0 when it is not.
func (p *pace) paused() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, time.Until(p.until))
}

// rest waits until the account is no longer left alone. Up to a tenth is added by chance, so that
// those who wait do not come back together.
func (p *pace) rest(ctx context.Context) error {
	for d := p.paused(); d > 0; d = p.paused() {
		timer := time.NewTimer(d + upTo(d/10))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}
