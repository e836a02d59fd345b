package containers

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// watch asks a part again and again whether it lives and whether it is ready: each by itself, as the answer to one may come just before a part
// stops answering, and the other's absence is only known when waiting for it ends.
type watch struct{ live, ready *series }

// series is one question, asked again and again.
type series struct {
	url    string
	client *http.Client

	mu    sync.Mutex
	looks []look
}

// look is what a part said when it was asked: a status, or 0 for no answer.
type look struct {
	asked, answered time.Time
	status          int
}

func startWatch(t *testing.T, base string) *watch {
	t.Helper()
	return &watch{live: startSeries(t, base+"/livez"), ready: startSeries(t, base+"/readyz")}
}

func startSeries(t *testing.T, url string) *series {
	t.Helper()
	// A connection of its own for each question: none is left over from before a restart.
	s := &series{url: url, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Second}}
	var asking sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	asking.Go(func() { s.run(ctx) })
	t.Cleanup(func() {
		stop()
		asking.Wait()
	})
	return s
}

func (s *series) run(ctx context.Context) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		l := look{asked: time.Now()}
		l.status = s.ask(ctx)
		if l.answered = time.Now(); ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.looks = append(s.looks, l)
		s.mu.Unlock()
		<-again.C
	}
}

func (s *series) ask(ctx context.Context) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return 0
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// between returns the looks that began and ended in a span; with no end, until now.
func (s *series) between(from, to time.Time) []look {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.looks), func(l look) bool {
		return l.asked.Before(from) || !to.IsZero() && l.answered.After(to)
	})
}

func (l look) isGreen() bool { return l.status == http.StatusOK }

// red returns how long after a moment the first answer was not green, or was missing, perhaps to a question of before.
func (s *series) red(since time.Time) (after time.Duration, found bool) {
	for _, l := range s.between(time.Time{}, time.Time{}) {
		if l.answered.After(since) && !l.isGreen() {
			return l.answered.Sub(since), true
		}
	}
	return 0, false
}

// green returns how long after a moment the first answer was green, to a question of after it.
func (s *series) green(since time.Time) (after time.Duration, found bool) {
	for _, l := range s.between(since, time.Time{}) {
		if l.isGreen() {
			return l.answered.Sub(since), true
		}
	}
	return 0, false
}
