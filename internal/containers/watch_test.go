package containers

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// watch asks a part again and again whether it lives and whether it is ready.
type watch struct {
	base   string
	client *http.Client

	mu    sync.Mutex
	looks []look
}

// look is what a part said when it was asked: a status, or 0 for no answer.
type look struct {
	asked, answered time.Time
	live, ready     int
}

func startWatch(t *testing.T, base string) *watch {
	t.Helper()
	// A connection of its own for each question: none is left over from before a restart.
	w := &watch{base: base, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Second}}
	var watching sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	watching.Go(func() { w.run(ctx) })
	t.Cleanup(func() {
		stop()
		watching.Wait()
	})
	return w
}

func (w *watch) run(ctx context.Context) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		l := look{asked: time.Now()}
		var both sync.WaitGroup
		both.Go(func() { l.live = w.ask(ctx, "/livez") })
		both.Go(func() { l.ready = w.ask(ctx, "/readyz") })
		both.Wait()
		if l.answered = time.Now(); ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		w.looks = append(w.looks, l)
		w.mu.Unlock()
		<-again.C
	}
}

func (w *watch) ask(ctx context.Context, path string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+path, nil)
	if err != nil {
		return 0
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// between returns the looks that began and ended in a span; with no end, until now.
func (w *watch) between(from, to time.Time) []look {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.looks), func(l look) bool {
		return l.asked.Before(from) || !to.IsZero() && l.answered.After(to)
	})
}

func (l look) isReady() bool { return l.ready == http.StatusOK }
func (l look) isLive() bool  { return l.live == http.StatusOK }

// red returns how long after a moment the part first did not say that it is ready, perhaps to a question of before.
func (w *watch) red(since time.Time) (after time.Duration, found bool) {
	for _, l := range w.between(time.Time{}, time.Time{}) {
		if l.answered.After(since) && !l.isReady() {
			return l.answered.Sub(since), true
		}
	}
	return 0, false
}

// green returns how long after a moment the part first said that it is ready, to a question of after it.
func (w *watch) green(since time.Time) (after time.Duration, found bool) {
	for _, l := range w.between(since, time.Time{}) {
		if l.isReady() {
			return l.answered.Sub(since), true
		}
	}
	return 0, false
}
