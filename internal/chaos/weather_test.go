package chaos

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// weather is the fake Twilio, unwell in turns of the sandbox's faults.
type weather struct {
	twilio *sandbox.Twilio
	bad    atomic.Bool // some calls fail
	out    atomic.Bool // all calls fail
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
	switch {
	case w.out.Load():
		w.twilio.Script(sandbox.Fault{Status: http.StatusBadGateway, Times: 1})
	case w.bad.Load() && rand.IntN(4) == 0:
		fault := faults[rand.IntN(len(faults))]
		fault.Times = 1
		w.twilio.Script(fault)
	}
	w.twilio.ServeHTTP(rw, r)
}
