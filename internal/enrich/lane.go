package enrich

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// lane works off the tasks of one key, in the order of their sequences, in one goroutine
// that ends when it has none. What happens in a lane delays no other.
type lane struct {
	p    *Pipeline
	key  string
	wake chan struct{} // a task arrived, or something was published on the key; holds one token

	items  []*item // by seq; guarded by p.mu, changed by the lane's goroutine and Handle
	misses int     // how often in a row the first item could not be worked on
	round  int     // how often calls have been made

	moved        atomic.Bool // something was published on the key while the lane waited
	stopWatching func()      // nil while it does not wait for another process
}

// item is a waiting task with what is known for it. Only its lane's goroutine uses it, but for
// task and headSince, which p.mu guards.
type item struct {
	task      Task
	seq       uint64
	came      time.Time // when it was first handed to this process
	headSince time.Time // when it became the first on its key; moved on by the time in which no call could be made

	answers  map[call]*answer
	attempts int                 // calls made to Twilio for it
	failing  int                 // rounds in a row in which one gave no answer that stands
	failed   int                 // the last round in which one did not
	suspects int                 // rounds in which an answer broke the API's page
	failure  *participants.Error // of the last one that failed
	letter   *events.DeadLetter  // set once nothing else can become of it
}

func newLane(p *Pipeline, key string) *lane {
	return &lane{p: p, key: key, wake: make(chan struct{}, 1)}
}

// insert adds t in its place, or puts it in the place of the same task; it reports whether
// there is one more now. Another event with the same sequence is of a stream that was made anew: nothing known of the old one holds
// for it. p.mu is held.
func (l *lane) insert(t Task, seq uint64) bool {
	i, found := slices.BinarySearchFunc(l.items, seq, func(it *item, seq uint64) int { return cmp.Compare(it.seq, seq) })
	switch {
	case found && l.items[i].task.Event().ID == t.Event().ID:
		l.items[i].task = t
		return false
	case found:
		l.items[i] = &item{task: t, seq: seq, came: time.Now()}
		return false
	}
	l.items = slices.Insert(l.items, i, &item{task: t, seq: seq, came: time.Now()})
	l.nudge()
	return true
}

// run works until the lane is empty.
func (l *lane) run() {
	defer l.unwatch()
	for it := l.first(); it != nil; it = l.first() {
		l.guardedTurn(it)
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
	l.p.waiting -= len(left)
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
	return l.misses == 0 && l.p.finishing.Err() == nil && (it.letter != nil || it.answered())
}

// answered reports whether some call has been made for it and none is missing.
func (it *item) answered() bool {
	event := it.task.Event()
	for c := range callsOf(&event) {
		if it.answers[c] == nil {
			return false
		}
	}
	return len(it.answers) > 0
}

// turn asks whether it is the first event on its key that is not done, and if so works on it.
func (l *lane) turn(it *item) {
	head, err := l.taskOf(it).Head(l.p.finishing)
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
		l.work(it)
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
	if it.headSince.IsZero() {
		it.headSince = time.Now()
	}
}

// excuse takes d, in which nothing could be asked for it, off the time that it has been the first on its key.
func (l *lane) excuse(it *item, d time.Duration) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	it.headSince = it.headSince.Add(d)
}

// sharers returns every item that waits for c's answer right now, and the Conversations service that any
// of their events names.
func (l *lane) sharers(c call) (waiting []*item, service validation.SID) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for _, it := range l.items {
		event := it.task.Event()
		if it.letter != nil || it.answers[c] != nil || !needs(&event, c) {
			continue
		}
		waiting = append(waiting, it)
		service = cmp.Or(service, event.Refs.ChatServiceSID)
	}
	return waiting, service
}

func needs(e *events.Event, c call) bool {
	for other := range callsOf(e) {
		if other == c {
			return true
		}
	}
	return false
}

// finish takes it out of the lane: it is published, buried or done already.
func (l *lane) finish(it *item, o outcome) {
	l.p.mu.Lock()
	if i := slices.Index(l.items, it); i >= 0 {
		l.items = slices.Delete(l.items, i, i+1)
		l.p.waiting--
	}
	l.misses = 0
	l.p.mu.Unlock()
	l.p.report(it, o)
}

// pause waits for d, for wake (which may be nil), or until the Pipeline stops.
func (l *lane) pause(d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-l.p.working.Done():
	}
}
