package load

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// Do does what a shot is about, on behalf of a worker, and returns the status of the answer; 0 when there was
// none. Workers call it concurrently, each for one shot at a time.
type Do func(ctx context.Context, worker int, shot *Shot) (status int)

// Plan is a run, in which workers take shots and do them. With a Rate it is an open loop: each shot is sent at its own time, or as
// soon after as a worker is free. Without one it is a closed loop: each worker does one shot after the other.
type Plan struct {
	Name    string
	Workers int
	Rate    float64 // shots per second that Shots is scheduled at; 0 for a closed loop
	Shots   <-chan *Shot
	Do      Do
	Every   time.Duration // the interval of a Point; default 1 s
	Told    func(Point)   // called with each point as it is measured; may be nil
}

// Note is what became of a shot.
type Note struct {
	Webhook         sandbox.Webhook
	Sent, Completed time.Duration // after the start
	Status          int           // 0: no answer
}

// Run does all shots, until there are no more or ctx is done. Shots that have begun by then are finished.
func (p Plan) Run(ctx context.Context) (Result, []Note) {
	start := time.Now()
	rec := newRecorder(start, p.Every)
	ticking, stop := context.WithCancel(ctx)
	var ticker, workers sync.WaitGroup
	ticker.Go(func() { rec.tickUntil(ticking, p.Told) })
	notes := make([][]Note, p.Workers)
	for w := range p.Workers {
		workers.Go(func() { notes[w] = p.work(ctx, w, start, rec) })
	}
	workers.Wait()
	elapsed := time.Since(start)
	stop()
	ticker.Wait()
	return rec.result(p, elapsed), slices.Concat(notes...)
}

func (p Plan) work(ctx context.Context, worker int, start time.Time, rec *recorder) (notes []Note) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		shot, ok := <-p.Shots
		if !ok {
			return notes
		}
		meant := time.Now()
		if p.Rate > 0 {
			meant = start.Add(shot.At)
			if !waitUntil(ctx, timer, meant) {
				return notes
			}
		}
		sent := time.Since(start)
		status := p.Do(context.WithoutCancel(ctx), worker, shot)
		rec.record(time.Since(meant), status)
		notes = append(notes, Note{shot.Webhook, sent, time.Since(start), status})
	}
	return notes
}

// waitUntil waits until at. It is false if ctx is done first.
func waitUntil(ctx context.Context, timer *time.Timer, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return true
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Enter records notes in ledger, in the order in which webhooks were sent and answered.
func Enter(ledger *sandbox.Ledger, notes []Note) {
	type moment struct {
		at   time.Duration
		note int
		end  bool
	}
	moments := make([]moment, 0, 2*len(notes))
	for i, n := range notes {
		moments = append(moments, moment{n.Sent, i, false}, moment{n.Completed, i, true})
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return int(a.at - b.at) })
	answered := make([]func(int), len(notes))
	for _, m := range moments {
		if m.end {
			answered[m.note](notes[m.note].Status)
		} else {
			answered[m.note] = ledger.Sending(notes[m.note].Webhook)
		}
	}
}
