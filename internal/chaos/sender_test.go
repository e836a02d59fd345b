package chaos

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// crowd sends webhooks: each conversation's one after the other, to the one ingest that is its own, since order
// between ingests is not promised. It sends as many as it is given leave to.
type crowd struct {
	r        *rig
	ingests  []*ingestProcess
	leave    chan struct{}
	answered atomic.Int64
	client   *http.Client
	all      sync.WaitGroup
}

// talk is a conversation and what is to be sent of it.
type talk struct {
	sandbox.Talk
	events   int
	known    bool // to Twilio
	uneasy   bool // with webhooks that are invalid
	fleeting bool // removed at Twilio and made again, over and over, while its events are on their way
	leaves   bool // removed at Twilio by the test
}

// talks shares out n events: half to 10 hot conversations, the rest to the 190 others.
func talks(n int) (all []talk) {
	for i := range 200 {
		t := talk{Talk: named(fmt.Sprint(i)), events: n / 2 / 190, known: i%50 != 11, uneasy: i%25 == 3, fleeting: i%5 == 2}
		if i < 10 {
			t.events = n / 2 / 10
		}
		all = append(all, t)
	}
	return all
}

func total(all []talk) (n int) {
	for _, t := range all {
		n += t.events
	}
	return n
}

func named(name string) sandbox.Talk {
	return sandbox.Talk{Account: owner, SID: sandbox.SID("CH", name)}
}

func newCrowd(t *testing.T, r *rig, ingests ...*ingestProcess) *crowd {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	c := &crowd{
		r: r, ingests: ingests, leave: make(chan struct{}, 1<<20), client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
	}
	t.Cleanup(func() { // where a test has failed before all was sent
		close(c.leave)
		c.all.Wait()
	})
	return c
}

// begin starts to send; done is closed when all is answered.
func (c *crowd) begin(all []talk) (done chan struct{}) {
	c.r.world.Change(func(s *sandbox.State) {
		for _, t := range all {
			if t.known {
				s.AddConversation(t.Conversation())
			}
		}
	})
	for i, t := range all {
		c.all.Go(func() { c.tell(t, c.ingests[i%len(c.ingests)]) })
	}
	done = make(chan struct{})
	go func() {
		c.all.Wait()
		close(done)
	}()
	return done
}

// let gives leave to send n more.
func (c *crowd) let(n int) {
	for range n {
		c.leave <- struct{}{}
	}
}

func (c *crowd) tell(t talk, to *ingestProcess) {
	courier := sandbox.Courier{Sender: sandbox.Sender{Target: to.url(), Key: token, Client: c.client}, Ledger: c.r.ledger}
	ctx := c.r.t.Context()
	for i := range t.events {
		<-c.leave
		if i%40 == 20 {
			_, _ = courier.DeliverForged(ctx, t.webhook(i))
		}
		c.change(t, i)
		_, _ = courier.Deliver(ctx, t.webhook(i)) // the ledger has the answer
		c.answered.Add(1)
	}
}

// change removes a fleeting conversation, so that some of its events are dead, or makes it again, so that some are enriched. Which they are
// depends on when they are asked for; who asks late may see another fate than who asked before.
func (c *crowd) change(t talk, i int) {
	switch {
	case t.fleeting && i%4 == 1:
		c.r.world.Change(func(s *sandbox.State) { s.RemoveConversation(t.SID) })
	case t.fleeting && i%4 == 3:
		c.r.world.Change(func(s *sandbox.State) { s.AddConversation(t.Conversation()) })
	}
}

func (t talk) webhook(i int) sandbox.Webhook {
	if t.uneasy && i%7 == 3 {
		return t.Invalid(i, time.Now())
	}
	w := t.Message(i, time.Now())
	if !t.known || t.fleeting || t.leaves {
		w.MayBeDead = []events.Reason{events.ReasonNotFound}
	}
	return w
}
