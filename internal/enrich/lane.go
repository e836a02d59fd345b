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

// insert adds it in the order of sequences. A new delivery of a task that is there takes the old one's place. Another event with the
// same sequence is from a stream that was made anew, and nothing known of the old one holds for it. p.mu is held.
func (l *lane) insert(it *item) {
	i, found := slices.BinarySearchFunc(l.items, it.seq, func(other *item, seq uint64) int { return cmp.Compare(other.seq, seq) })
	switch {
	case found && l.items[i].id == it.id:
		l.p.kept -= l.items[i].kept
		l.items[i].task, l.items[i].kept = it.task, it.kept
	case found:
		l.p.kept -= l.items[i].kept
		l.items[i] = it
	default:
		if n := len(l.items); n > 0 {
			it.share(l.items[n-1])
		}
		l.items = slices.Insert(l.items, i, it)
		l.p.waiting++
		l.nudge()
	}
}

// begin lets the lane work, once it may on its first item.
func (l *lane) begin(it *item) {
	c, ok := it.missing()
	if !ok {
		go l.run()
		return
	}
	l.runBehindDoor(c, it)
}

// runBehindDoor runs once the lane is let in to make the call c. The time before the door says nothing about the item.
func (l *lane) runBehindDoor(c call, it *item) {
	came := time.Now()
	l.p.gate.queueAtDoor(c, func(d *door) {
		go func() {
			l.door = d
			l.excuse(it, time.Since(came))
			l.run()
		}()
	})
}

// run works until the lane is empty, or has to wait before a door, and goes on from there in another goroutine.
func (l *lane) run() {
	for it := l.first(); it != nil; it = l.first() {
		if !l.passed(it) {
			return
		}
		l.guardedTurn(it)
	}
	l.unwatch()
	l.leave()
	l.p.running.Done()
}

// passed reports whether the lane may work on it: it has passed a door, or need not. If not, it runs again once it has.
func (l *lane) passed(it *item) bool {
	if l.door != nil {
		return true
	}
	c, ok := it.missing()
	if !ok {
		return true
	}
	if l.door = l.p.gate.tryDoor(c); l.door != nil {
		return true
	}
	l.runBehindDoor(c, it)
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
	for _, it := range left {
		l.p.drop(it)
	}
	l.p.mu.Unlock()
	for _, it := range left {
		_ = it.task.Release() // if this fails the hold lapses by itself
	}
	return nil
}

// mayGoOn reports whether it may be worked on: always, but while stopping only if
// nothing is missing to finish it and nothing has gone wrong with that yet. p.mu is held.
func (l *lane) mayGoOn(it *item) bool {
	if !l.p.stopping {
		return true
	}
	return l.misses == 0 && l.p.finishing.Err() == nil && (it.effort().letter != nil || it.answered())
}

// turn asks whether it is the first event on its key that is not done, and if so works on it.
func (l *lane) turn(it *item) {
	t := l.taskOf(it)
	head, err := t.Head(l.p.finishing)
	switch {
	case isDone(err):
		l.finish(it, outcomeForgotten)
	case err != nil:
		l.misses++
		l.pause(poll(l.misses), nil)
	case !head:
		l.await(it)
	default:
		l.unwatch()
		l.lead(it)
		l.work(it, t)
	}
}

// await waits until it may be the head: another process has the one before. When that is published the lane is
// told; but that may be before it is stored, or be lost, so Head is asked from time to time all the same.
func (l *lane) await(it *item) {
	if l.stopWatching == nil {
		l.stopWatching = l.taskOf(it).Watch(l.move)
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

// taskOf returns the newest delivery of it.
func (l *lane) taskOf(it *item) Task {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return it.task
}

// lead notes since when it is the first on its key.
func (l *lane) lead(it *item) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if it.ledSince.IsZero() {
		it.ledSince = time.Now()
		it.headSince = it.ledSince
	}
}

// excuse takes d, in which nothing could be asked for it, off the time that it has been the first on its key.
func (l *lane) excuse(it *item, d time.Duration) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if !it.headSince.IsZero() {
		it.headSince = it.headSince.Add(d)
	}
}

// sharers returns every item that waits for c's answer right now, and the Conversations service that any
// of their events names.
func (l *lane) sharers(c call) (waiting []*item, service validation.SID) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for _, it := range l.items {
		if it.effort().letter != nil || !slices.Contains(it.needs.calls, c) || it.answerTo(c) != nil {
			continue
		}
		waiting = append(waiting, it)
		service = cmp.Or(service, it.needs.service)
	}
	return waiting, service
}

// finish takes it out of the lane: it is published, buried or done already.
func (l *lane) finish(it *item, o outcome) {
	l.p.mu.Lock()
	if i := slices.Index(l.items, it); i >= 0 {
		l.items = slices.Delete(l.items, i, i+1)
		l.p.drop(it)
	}
	l.misses = 0
	l.p.mu.Unlock()
	l.p.report(it, o)
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
