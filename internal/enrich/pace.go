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
	next    chan struct{} // who is next to make a request; empty where there is no limit

	mu    sync.Mutex
	until time.Time // Twilio wants no call before
}

// newPace returns the pace of at most limit calls a second, evenly spaced.
func newPace(limit rate.Limit) *pace {
	return &pace{limiter: rate.NewLimiter(limit, 1), next: make(chan struct{}, 1)}
}

// await waits until a request may be made at the rate that limit says, which may be another each time, but always or never rate.Inf.
// After nil, yield must be called, and spend before it if the request is made. One waits for the rate and the others for
// that one: so the rate is that of when they are next, and who need not make the request after all leaves it to the next.
func (p *pace) await(ctx context.Context, limit func() rate.Limit) error {
	if p.limiter.Limit() == rate.Inf {
		return nil
	}
	select {
	case p.next <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	for d := p.short(limit()); d > 0; d = p.short(limit()) {
		if err := sleep(ctx, d); err != nil {
			p.yield()
			return err
		}
	}
	return nil
}

// short returns how long it takes at the rate of now until a request may be made.
func (p *pace) short(now rate.Limit) time.Duration {
	if p.limiter.Limit() != now {
		p.limiter.SetLimit(now)
	}
	missing := 1 - p.limiter.Tokens()
	if missing <= 0 {
		return 0
	}
	seconds := min(missing/float64(now), time.Hour.Seconds()) // no duration can hold what a tiny rate says
	return time.Duration(seconds*float64(time.Second)) + time.Microsecond
}

// yield lets the next one wait for the rate.
func (p *pace) yield() {
	if p.limiter.Limit() != rate.Inf {
		<-p.next
	}
}

// spend counts requests that are made, or were.
func (p *pace) spend(requests int) {
	for range requests {
		p.limiter.Reserve()
	}
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

// isFresh reports whether a new one would do as well.
func (p *pace) isFresh() bool { return p.paused() == 0 && p.limiter.Tokens() >= 1 }

// rest waits until the account is no longer left alone. Up to a tenth is added by chance, so that
// those who wait do not come back together.
func (p *pace) rest(ctx context.Context) error {
	for d := p.paused(); d > 0; d = p.paused() {
		if err := sleep(ctx, d+upTo(d/10)); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits for d, or until ctx is done, and returns its error then.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
