package enrich

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// host is one of the two hosts that the API lives on: what can be unwell as a whole.
type host string

const (
	hostConversations host = "conversations"
	hostFlex          host = "flex"
)

func hostOf(api events.API) host {
	if api == participants.Flex {
		return hostFlex
	}
	return hostConversations
}

// errHostUnwell is how enter refuses while a host's breaker is open.
var errHostUnwell = errors.New("the host is unwell")

// gate decides when a call may be made: its account is neither held nor left alone, the account's pace and throttle
// and the process have a place for it, and the host's breaker is closed. An account that waits takes no place
// of the process, so it delays no other.
type gate struct {
	holds *holds
	slots chan struct{} // one per call under way in the whole process
	hosts map[host]*health
	rate  func() rate.Limit // of an account, in this process

	mu         sync.Mutex
	allowances map[validation.SID]*allowance // of accounts that are asked for, or were lately
	doors      map[holdKey]*door             // likewise
	stopping   bool
}

// allowance is how much one account may ask: how many calls at once, and how soon.
type allowance struct {
	*throttle
	*pace
	users int // who may still change it; guarded by the gate's mu
}

func newGate(cfg Config, accounts Accounts, log *slog.Logger) *gate {
	return &gate{
		holds:      newHolds(accounts, cfg.ProbeEvery, log),
		slots:      make(chan struct{}, cfg.Concurrency),
		hosts:      map[host]*health{hostConversations: newHealth(hostConversations, log), hostFlex: newHealth(hostFlex, log)},
		rate:       cfg.rate,
		allowances: map[validation.SID]*allowance{},
		doors:      map[holdKey]*door{},
	}
}

// tryDoor lets in a lane that works on an event that needs c, and returns the door, for the lane to leave; nil where the lane would have
// to wait.
func (g *gate) tryDoor(c call) *door {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.doorTo(c); d.tryEnter() {
		return d
	}
	return nil
}

// queueAtDoor calls begin, which must not block, with the door that it is to leave, once there is a place for a lane that works on an event
// that needs c.
func (g *gate) queueAtDoor(c call, begin func(*door)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.doorTo(c)
	d.enter(func() { begin(d) })
}

// doorTo is what a lane passes before it works on an event that needs c. g.mu is held until the lane is in, or in the queue: an
// empty door may be forgotten.
func (g *gate) doorTo(c call) *door {
	k := c.holdKey()
	d := g.doors[k]
	if d == nil {
		d = newDoor(cap(g.slots), g.hostOf(c))
		g.doors[k] = d
		if g.stopping {
			d.letAllIn()
		}
	}
	return d
}

// openDoors lets in every lane that waits, or comes later.
func (g *gate) openDoors() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopping = true
	for _, d := range g.doors {
		d.letAllIn()
	}
}

// tick looks after the holds, and forgets every account for which nothing is under way and nothing worth knowing is known: an account
// sends webhooks for as long as it exists, and a process may run longer.
func (g *gate) tick() {
	g.holds.tick()
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.doors, func(_ holdKey, d *door) bool { return d.isEmpty() })
	maps.DeleteFunc(g.allowances, func(_ validation.SID, a *allowance) bool {
		return a.users == 0 && a.throttle.isFresh() && a.pace.isFresh()
	})
}

// admission is the permission to make one call. leave must be called with how the call went.
type admission struct {
	gate      *gate
	call      call
	cred      participants.Credentials
	allowance *allowance
	began     time.Time
}

// enter waits until c may be made; waited is for how long. The error is errHostUnwell at once while the host's
// breaker is open, errHeld after a while of its account being held, or else ctx's.
func (g *gate) enter(ctx context.Context, c call) (admitted *admission, waited time.Duration, err error) {
	came := time.Now()
	a := g.use(c.account)
	if admitted, err = g.admit(ctx, c, a); err != nil {
		g.unuse(a)
	}
	return admitted, time.Since(came), err
}

func (g *gate) admit(ctx context.Context, c call, a *allowance) (*admission, error) {
	k, h := c.holdKey(), g.hostOf(c)
	for {
		if h.isOpen() {
			return nil, errHostUnwell
		}
		cred, probe, err := g.holds.enter(ctx, k)
		if err != nil {
			return nil, err
		}
		if err := g.takePlace(ctx, a); err != nil {
			return nil, err
		}
		switch {
		case a.paused() > 0, !probe && g.holds.isHeld(k): // things have changed meanwhile
			a.yield()
			g.leavePlace(a)
		case !h.breaker.TryAcquirePermit():
			a.yield()
			g.leavePlace(a)
			return nil, errHostUnwell
		default:
			a.spend(1)
			a.yield()
			return &admission{gate: g, call: c, cred: cred, allowance: a, began: time.Now()}, nil
		}
	}
}

// hostOf is the health of the host that c asks.
func (g *gate) hostOf(c call) *health { return g.hosts[hostOf(c.holdKey().api)] }

// use returns the allowance of the account. unuse must be called later.
func (g *gate) use(account validation.SID) *allowance {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.allowances[account]
	if a == nil {
		a = &allowance{throttle: newThrottle(cap(g.slots)), pace: newPace(g.rate())}
		g.allowances[account] = a
	}
	a.users++
	return a
}

func (g *gate) unuse(a *allowance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.users--
}

// takePlace waits for a place in the account's throttle, then for its pace, and last for a place in the process. After nil,
// yield and leavePlace must be called.
func (g *gate) takePlace(ctx context.Context, a *allowance) error {
	if err := a.rest(ctx); err != nil {
		return err
	}
	if err := a.acquire(ctx); err != nil {
		return err
	}
	if err := a.await(ctx, g.rate); err != nil {
		a.release()
		return err
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		a.yield()
		a.release()
		return ctx.Err()
	}
}

func (g *gate) leavePlace(a *allowance) {
	<-g.slots
	a.release()
}

// leave gives the place back and learns from how the call went, and how many requests it took. The account's pace has
// allowed for one. The others were made at once, so that a long list is not read for longer than a call may take; the
// account's next calls wait that much longer.
func (a *admission) leave(v verdict, e *participants.Error, requests int) {
	g, r := a.gate, rules[v]
	a.allowance.spend(requests - 1)
	switch h := g.hostOf(a.call); {
	case r.host:
		h.failedFor(a.call.within, reached(e))
	case hasAnswer(e):
		h.answered()
	default:
		h.notAsked()
	}
	if r.pause != nil {
		a.allowance.pause(r.pause(e))
	}
	switch {
	case v == verdictHold:
		g.holds.refused(a.call.holdKey(), a.cred, statusOf(e))
	case v == verdictSlow:
		a.allowance.slower(a.began)
	case provesCredentials(e):
		g.holds.proven(a.call.holdKey())
		a.allowance.faster()
	}
	g.leavePlace(a.allowance)
	g.unuse(a.allowance)
}

// reached reports whether the host was there: a call that took too long may have been its own fault.
func reached(e *participants.Error) bool {
	return e == nil || e.Failure != participants.FailureTransport || e.Status != 0 || errors.Is(e, context.DeadlineExceeded)
}

func statusOf(e *participants.Error) int {
	if e == nil {
		return 0
	}
	return e.Status
}

// countPaused returns how many accounts Twilio wants left alone right now.
func (g *gate) countPaused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, a := range g.allowances {
		if a.paused() > 0 {
			n++
		}
	}
	return n
}
