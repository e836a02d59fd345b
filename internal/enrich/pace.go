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
	next    chan struct{} // who waits for the limiter

	mu    sync.Mutex
	until time.Time // Twilio wants no call before
}

// newPace returns the pace of at most limit calls a second, evenly spaced.
func newPace(limit rate.Limit) *pace {
	return &pace{limiter: rate.NewLimiter(limit, 1), next: make(chan struct{}, 1)}
}

// await waits until a call may be made at the rate that limit says, which may be another each time. One waits for the limiter
// and the others for that one: those who wait for it keep to the rate of when they came.
func (p *pace) await(ctx context.Context, limit func() rate.Limit) error {
	select {
	case p.next <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.next }()
	if now := limit(); p.limiter.Limit() != now {
		p.limiter.SetLimit(now)
	}
	return p.limiter.Wait(ctx)
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
