package containers

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// answerTimeout is how long a sender waits, somewhat longer than Twilio does.
const answerTimeout = 6 * time.Second

// crowd sends webhooks at a steady pace, each conversation's one after the other and each until it is answered.
type crowd struct {
	ledger  *sandbox.Ledger
	begin   func() (conversation string) // lets one more begin, in which nothing was said before
	stop    func()                       // no more; then waits until all is answered
	slowest atomic.Int64
}

// startCrowd begins conversations in which something is said again and again.
func (s *stack) startCrowd(t *testing.T, conversations int, every time.Duration) *crowd {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: conversations}
	t.Cleanup(transport.CloseIdleConnections)
	sender := s.sender
	sender.Client = &http.Client{Transport: transport, Timeout: answerTimeout}
	c := &crowd{ledger: sandbox.NewLedger()}
	courier := sandbox.Courier{Sender: sender, Ledger: c.ledger, Again: 100 * time.Millisecond}

	world := sandbox.NewWorld(s.cast.State(s.sender.Key))
	var all sync.WaitGroup
	stopping := make(chan struct{})
	var talks []sandbox.Talk
	for i := range conversations + 1 {
		talk := sandbox.Talk{Account: s.cast.Account, SID: sandbox.SID("CH", fmt.Sprint(i))}
		world.Change(func(s *sandbox.State) { s.AddConversation(talk.Conversation()) })
		talks = append(talks, talk)
	}
	if err := s.twilio.put(t.Context(), world.State()); err != nil {
		t.Fatal(err)
	}
	begin := func(talk sandbox.Talk) {
		all.Go(func() { c.say(t.Context(), courier, talk, every, stopping) })
	}
	for _, talk := range talks[:conversations] {
		begin(talk)
	}
	c.begin = sync.OnceValue(func() string {
		begin(talks[conversations])
		return string(talks[conversations].SID)
	})
	c.stop = sync.OnceFunc(func() {
		close(stopping)
		all.Wait()
	})
	t.Cleanup(c.stop)
	return c
}

func (c *crowd) say(ctx context.Context, courier sandbox.Courier, talk sandbox.Talk, every time.Duration, stopping <-chan struct{}) {
	pace := time.NewTicker(every)
	defer pace.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-pace.C:
		case <-stopping:
			return
		}
		answer, _ := courier.Deliver(ctx, talk.Message(n, time.Now())) // the ledger has the answer
		for slowest := c.slowest.Load(); int64(answer.Took) > slowest && !c.slowest.CompareAndSwap(slowest, int64(answer.Took)); {
			slowest = c.slowest.Load()
		}
	}
}
