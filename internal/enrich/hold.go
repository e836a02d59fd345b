package enrich

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// holdKey is what credentials are refused for: an account, on one API. A key
// that may not use Flex may well use Conversations, and an account may have v1 and not v2 although both live on one host.
type holdKey struct {
	account validation.SID
	api     events.API
}

// hold is an account that may not be called: nobody's events but its own wait for it.
type hold struct {
	cred    participants.Credentials // that were refused
	status  int                      // with which Twilio refused them; 0: there are none
	next    time.Time                // when to probe again
	probe   chan struct{}            // one token: one waiter may make one call
	lifted  chan struct{}            // closed when it is over
	waiters int
}

// holds knows the accounts that may not be called, and lets one call through now and
// then, or at once when the credentials change, to see whether they may be again.
type holds struct {
	accounts Accounts
	every    time.Duration
	log      *slog.Logger

	mu   sync.Mutex
	held map[holdKey]*hold
}

// credentialsEvery is how often the credentials of a held account are compared with those refused.
const credentialsEvery = time.Second

func newHolds(accounts Accounts, every time.Duration, log *slog.Logger) *holds {
	return &holds{accounts: accounts, every: every, log: log, held: map[holdKey]*hold{}}
}

// errHeld is how enter gives up after a while, so that those who wait can see whether they still need to.
var errHeld = errors.New("the account is held")

// enter returns the credentials to call with, waiting while the account is held: until it no longer
// is, or errHeld after one to two times h.every.
// probe says that this is the one call let through to try a held account.
func (h *holds) enter(ctx context.Context, k holdKey) (cred participants.Credentials, probe bool, err error) {
	for {
		cred, w := h.admit(k)
		if w == nil {
			return cred, false, nil
		}
		probe, err := h.await(ctx, w)
		if err != nil {
			return participants.Credentials{}, false, err
		}
		if !probe {
			continue
		}
		if cred, ok := h.accounts.API(k.account); ok {
			return cred, true, nil
		}
	}
}

// admit returns the credentials for k, or the hold to wait for.
func (h *holds) admit(k holdKey) (participants.Credentials, *hold) {
	cred, ok := h.accounts.API(k.account)
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.held[k]
	if w == nil && !ok {
		w = h.begin(k, participants.Credentials{}, 0)
	}
	if w != nil {
		w.waiters++
	}
	return cred, w
}

// await waits for the hold's end or for the leave to probe.
func (h *holds) await(ctx context.Context, w *hold) (probe bool, err error) {
	defer func() {
		h.mu.Lock()
		w.waiters--
		h.mu.Unlock()
	}()
	patience := time.NewTimer(h.every + upTo(h.every))
	defer patience.Stop()
	select {
	case <-w.lifted:
		return false, nil
	case <-w.probe:
		return true, nil
	case <-patience.C:
		return false, errHeld
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// begin holds k. h.mu is held.
func (h *holds) begin(k holdKey, cred participants.Credentials, status int) *hold {
	w := &hold{
		cred: cred, status: status, next: time.Now().Add(h.every),
		probe: make(chan struct{}, 1), lifted: make(chan struct{}),
	}
	h.held[k] = w
	h.log.Error("account held: its events wait until its credentials are right",
		"account", k.account, "api", k.api, "status", status)
	return w
}

// isHeld reports whether k is held right now.
func (h *holds) isHeld(k holdKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held[k] != nil
}

// refused tells that Twilio refused cred for k: k is held, unless the credentials have changed since the call began.
func (h *holds) refused(k holdKey, cred participants.Credentials, status int) {
	current, ok := h.accounts.API(k.account)
	h.mu.Lock()
	defer h.mu.Unlock()
	if ok && current != cred {
		return
	}
	w := h.held[k]
	if w == nil {
		h.begin(k, cred, status)
		return
	}
	w.cred, w.status, w.next = cred, status, time.Now().Add(h.every)
}

// proven tells that Twilio believed our credentials for k, which lifts its hold.
func (h *holds) proven(k holdKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.held[k]; w != nil {
		h.lift(k, w)
		h.log.Info("account no longer held", "account", k.account, "api", k.api)
	}
}

// lift ends a hold. h.mu is held.
func (h *holds) lift(k holdKey, w *hold) {
	delete(h.held, k)
	close(w.lifted)
}

// tick lets a probe through where one is due or the credentials have changed, and forgets
// holds that nobody waits for any more.
func (h *holds) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for k, w := range h.held {
		cred, ok := h.accounts.API(k.account)
		switch {
		case w.waiters == 0 && !now.Before(w.next): // not sooner: the one who waited may be probing
			h.lift(k, w)
		case ok && (cred != w.cred || !now.Before(w.next)):
			w.cred, w.next = cred, now.Add(h.every)
			select {
			case w.probe <- struct{}{}:
			default: // the last one has not been taken yet
			}
		}
	}
}

// count returns how many accounts are held on api.
func (h *holds) count(api events.API) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for k := range h.held {
		if k.api == api {
			n++
		}
	}
	return n
}

// ready returns nil, or names every account that is held and why.
func (h *holds) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == 0 {
		return nil
	}
	var lines []string
	for k, w := range h.held {
		if w.status == 0 {
			lines = append(lines, fmt.Sprintf("account %s: no credentials for Twilio's API", k.account))
			continue
		}
		lines = append(lines, fmt.Sprintf("account %s: Twilio's %s API refuses its credentials (status %d)", k.account, k.api, w.status))
	}
	slices.Sort(lines)
	return errors.New(strings.Join(slices.Compact(lines), "; "))
}
