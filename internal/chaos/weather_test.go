package chaos

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// weather is the fake Twilio, unwell in turns of the sandbox's faults.
type weather struct {
	twilio *sandbox.Twilio
	bad    atomic.Bool // some calls fail
	out    atomic.Bool // all calls fail

	mu     sync.Mutex
	random *rand.Rand
}

// seed decides which calls meet which fault, as far as the order in which they come is the same.
func (w *weather) seed(seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.random = rand.New(rand.NewPCG(seed, 1))
}

// fault returns what one call in four meets.
func (w *weather) fault() (f sandbox.Fault, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.random.IntN(4) != 0 {
		return sandbox.Fault{}, false
	}
	f = faults[w.random.IntN(len(faults))]
	f.Times = 1
	return f, true
}

// faults are what one call in four meets while the weather is bad.
var faults = []sandbox.Fault{
	{Status: http.StatusTooManyRequests},
	{Status: http.StatusTooManyRequests, RetryAfter: "1"},
	{Status: http.StatusServiceUnavailable},
	{Status: http.StatusInternalServerError},
	{Latency: 200 * time.Millisecond},
	{Latency: 500 * time.Millisecond},
	{Truncate: true},
	{Hang: true},
}

func (w *weather) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if w.out.Load() {
		w.twilio.Script(sandbox.Fault{Status: http.StatusBadGateway, Times: 1})
	} else if w.bad.Load() {
		if f, ok := w.fault(); ok {
			w.twilio.Script(f)
		}
	}
	w.twilio.ServeHTTP(rw, r)
}
