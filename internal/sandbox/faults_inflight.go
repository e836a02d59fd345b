package sandbox

import (
	"sync"

	"github.com/rollcall-events/rollcall/validation"
)

// concurrentHeader is on every answer: how many requests of the account were under way.
const concurrentHeader = "Twilio-Concurrent-Requests"

// inFlight counts the requests under way of each account.
type inFlight struct {
	mu    sync.Mutex
	under map[validation.SID]int
}

// enter counts a request and returns how many there are now. leave must be called at its end.
func (f *inFlight) enter(account validation.SID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under == nil {
		f.under = map[validation.SID]int{}
	}
	f.under[account]++
	return f.under[account]
}

func (f *inFlight) leave(account validation.SID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under[account]--; f.under[account] == 0 {
		delete(f.under, account)
	}
}
