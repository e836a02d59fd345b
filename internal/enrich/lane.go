package enrich

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// lane works off the tasks of one key, in the order of their sequences, in one goroutine
// that begins when its first event may be worked on, and ends when there is none, or the lane has to wait before a door. What happens in a
// lane delays no other.
type lane struct {
	p    *Pipeline
	key  string
	wake chan struct{} // a task arrived, or something was published on the key; holds one token

	items  []*item // by seq; guarded by p.mu, changed by the lane's goroutine and Handle
	door   *door   // that the lane has passed, nil for none; its goroutine's
	misses int     // how often in a row the first item could not be worked on
	round  int     // how often calls have been made

	moved        atomic.Bool // something was published on the key while the lane waited
	stopWatching func()      // nil while it does not wait for another process
}

func newLane(p *Pipeline, key string) *lane {
	return &lane{p: p, key: key, wake: make(chan struct{}, 1)}
}

// insert adds item in the order of sequences. A new delivery of a task that is there takes the old one's place. Another event with the
// same sequence is from a stream that was made anew, and nothing known of the old one holds for it. p.mu is held.
func (l *lane) insert(item *item) {
	i, found := slices.BinarySearchFunc(l.items, item.seq, bySequence)
	switch {
	case found && l.items[i].id == item.id:
		l.p.kept -= l.items[i].kept
		l.items[i].task, l.items[i].kept = item.task, item.kept
	case found:
		l.p.kept -= l.items[i].kept
		l.items[i] = item
	default:
		if n := len(l.items); n > 0 {
			item.share(l.items[n-1])
		}
		l.items = slices.Insert(l.items, i, item)
		l.p.waiting++
		l.nudge()
	}
}

func bySequence(item *item, seq uint64) int { return cmp.Compare(item.seq, seq) }

// begin lets the lane work, once it may on its first item.
func (l *lane) begin(item *item) {
	c, ok := item.missing()
	if !ok {
		go l.run()
		return
	}
	l.runBehindDoor(c, item)
}

// runBehindDoor runs once the lane is let in to make the call c. The time before the door says nothing about the item.
func (l *lane) runBehindDoor(c call, item *item) {
	came := time.Now()
	l.p.gate.queueAtDoor(c, func(d *door) {
		go func() {
			l.door = d
			l.excuse(item, time.Since(came))
			l.run()
		}()
	})
}

// run works until the lane is empty, or has to wait before a door, and goes on from there in another goroutine.
func (l *lane) run() {
	for item := l.first(); item != nil; item = l.first() {
		if !l.passed(item) {
			return
		}
		l.guardedTurn(item)
	}
	l.unwatch()
	l.leave()
	l.p.running.Done()
}

// passed reports whether the lane may work on item: it has passed a door, or need not. If not, the lane runs again once it has.
func (l *lane) passed(item *item) bool {
	if l.door != nil {
		return true
	}
	c, ok := item.missing()
	if !ok {
		return true
	}
	if l.door = l.p.gate.tryDoor(c); l.door != nil {
		return true
	}
	l.runBehindDoor(c, item)
	return false
}

// leave gives the lane's place to another.
func (l *lane) leave() {
	if l.door != nil {
		l.door.leave()
		l.door = nil
	}
}

// first returns the item to work on. When there is none, or when the Pipeline stops and no more can be
// done, the lane is taken away and what it holds is released.
func (l *lane) first() *item {
	l.p.mu.Lock()
	if len(l.items) > 0 && l.mayGoOn(l.items[0]) {
		defer l.p.mu.Unlock()
		return l.items[0]
	}
	delete(l.p.lanes, l.key)
	left := l.items
	for _, item := range left {
		l.p.drop(item)
	}
	l.p.mu.Unlock()
	for _, item := range left {
		_ = item.task.Release() // if this fails the lease lapses by itself
	}
	return nil
}

// mayGoOn reports whether item may be worked on: always, but while stopping only if
// nothing is missing to finish item and nothing has gone wrong with that yet. p.mu is held.
func (l *lane) mayGoOn(item *item) bool {
	if !l.p.stopping {
		return true
	}
	return l.misses == 0 && l.p.finishing.Err() == nil && (item.effort().letter != nil || item.answered())
}

// turn asks whether item is the first event on its key that is not done, and if so works on it.
func (l *lane) turn(item *item) {
	t := l.taskOf(item)
	head, err := t.Head(l.p.finishing)
	switch {
	case isDone(err):
		l.finish(item, outcomeForgotten)
	case err != nil:
		l.misses++
		l.pause(poll(l.misses), nil)
	case !head:
		l.await(item)
	default:
		l.unwatch()
		l.lead(item)
		l.work(item, t)
	}
}

// await waits until item may be the head: another process has the one before. When that is published the lane is
// told; but that may be before it is stored, or be lost, so Head is asked from time to time all the same.
func (l *lane) await(item *item) {
	if l.stopWatching == nil {
		l.stopWatching = l.taskOf(item).Watch(l.move)
	}
	if l.moved.Swap(false) {
		l.misses = 0
	}
	l.misses++
	l.pause(poll(l.misses), l.wake)
}

// move is told that something was published on the key.
func (l *lane) move() {
	l.moved.Store(true)
	l.nudge()
}

// nudge ends the lane's pause, or the next one.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// unwatch ends what await began.
func (l *lane) unwatch() {
	if l.stopWatching != nil {
		l.stopWatching()
		l.stopWatching = nil
	}
}

// taskOf returns the newest delivery of item.
func (l *lane) taskOf(item *item) Task {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return item.task
}

// lead notes since when item is the first on its key.
func (l *lane) lead(item *item) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if item.ledSince.IsZero() {
		item.ledSince = time.Now()
		item.headSince = item.ledSince
	}
}

// excuse takes d, in which nothing could be asked for item, off the time that item has been the first on its key.
func (l *lane) excuse(item *item, d time.Duration) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if !item.headSince.IsZero() {
		item.headSince = item.headSince.Add(d)
	}
}

// sharers returns every item that waits for c's answer right now, and the Conversations service that any
// of their events names.
func (l *lane) sharers(c call) (waiting []*item, service validation.SID) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for _, item := range l.items {
		if item.effort().letter != nil || !slices.Contains(item.needs.calls, c) || item.answerTo(c) != nil {
			continue
		}
		waiting = append(waiting, item)
		service = cmp.Or(service, item.needs.service)
	}
	return waiting, service
}

// finish takes item out of the lane: it is published, buried or done already.
func (l *lane) finish(item *item, o outcome) {
	l.p.mu.Lock()
	if i := slices.Index(l.items, item); i >= 0 {
		l.items = slices.Delete(l.items, i, i+1)
		l.p.drop(item)
	}
	l.misses = 0
	l.p.mu.Unlock()
	l.p.report(item, o)
}

// pause waits for d, for wake (which may be nil), or until the Pipeline stops. Others may work meanwhile.
func (l *lane) pause(d time.Duration, wake <-chan struct{}) {
	l.leave()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-l.p.working.Done():
	}
}
