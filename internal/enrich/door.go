package enrich

import (
	"math"
	"sync"
	"time"
)

// door bounds how many lanes work at once on events that need the same API of the same account. While the API's host is unwell it lets
// one in now and then, to find out whether it still is. The others wait before it without a goroutine: thousands of stacks are what a
// process can least afford while the API is slow or away, and further on they would only wait for one another. First come, first served.
// Lanes that need no call do not come here.
type door struct {
	host *health

	all int // places

	mu      sync.Mutex
	places  int // that are free
	queue   []func()
	open    bool // to all, since the Pipeline stops
	waiting bool // for the host; a timer runs
}

// doorsPerCall is how many lanes are let in for each call that may be under way: enough that there is always one that asks next, while
// others ask NATS or publish.
const doorsPerCall = 4

func newDoor(calls int, h *health) *door {
	return &door{host: h, all: doorsPerCall * calls, places: doorsPerCall * calls}
}

// enter calls begin, which must not block, once there is a place: at once where there is one. leave must be called later.
func (d *door) enter(begin func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, begin)
	d.admit()
}

// tryEnter takes a place and returns true, if the host is well and there is a place that nobody waits for.
func (d *door) tryEnter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.places == 0 || len(d.queue) > 0 || d.shut() {
		return false
	}
	d.places--
	return true
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places++
	d.admit()
}

// letAllIn lets everyone in from now on, so that lanes that wait can end.
func (d *door) letAllIn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open, d.places = true, math.MaxInt/2
	d.admit()
}

// isEmpty reports whether nobody is inside or waits.
func (d *door) isEmpty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.places == d.all && len(d.queue) == 0 && !d.waiting
}

// shut reports whether the host is unwell. d.mu is held.
func (d *door) shut() bool { return !d.open && !d.host.breaker.IsClosed() }

// admit lets in who waits, while the host is well. d.mu is held.
func (d *door) admit() {
	for d.places > 0 && len(d.queue) > 0 {
		if d.shut() {
			d.lookAgain()
			return
		}
		d.next()
	}
}

// next lets in the first. d.mu is held.
func (d *door) next() {
	d.places--
	begin := d.queue[0]
	d.queue[0] = nil
	d.queue = d.queue[1:]
	begin()
}

// lookAgain lets one in when the host may be asked again. d.mu is held.
func (d *door) lookAgain() {
	if d.waiting {
		return
	}
	d.waiting = true
	time.AfterFunc(d.host.again(), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.waiting = false
		if d.places > 0 && len(d.queue) > 0 && !d.host.isOpen() {
			d.next()
		}
		d.admit()
	})
}
