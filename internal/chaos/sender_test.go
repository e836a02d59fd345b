package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
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
	sid    validation.SID
	events int
	known  bool // to Twilio
	uneasy bool // with webhooks that are invalid
}

// talks shares out n events: half to 10 hot conversations, the rest to the 190 others.
func talks(n int) (all []talk) {
	for i := range 200 {
		t := talk{sid: sandbox.SID("CH", fmt.Sprint(i)), events: n / 2 / 190, known: i%50 != 11, uneasy: i%25 == 3}
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

func (t talk) conversation() sandbox.Conversation {
	return sandbox.Conversation{SID: t.sid, Account: owner, Participants: []sandbox.ConversationParticipant{
		{SID: sandbox.SID("MB", string(t.sid)), Identity: "omar", DateCreated: time.Unix(0, 0), DateUpdated: time.Unix(0, 0)},
	}}
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
				s.AddConversation(t.conversation())
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
	s := sandbox.Sender{Target: to.url(), Key: token, Client: c.client}
	for i := range t.events {
		<-c.leave
		w := t.webhook(i)
		if i%40 == 20 {
			answered := c.r.ledger.Sending(w)
			answer, _ := s.SendForged(c.r.t.Context(), w)
			answered(answer.Status)
			w = t.webhook(i)
		}
		c.deliver(s, w)
		c.answered.Add(1)
	}
}

// deliver sends w until it has an answer that is not a failure of ours.
func (c *crowd) deliver(s sandbox.Sender, w sandbox.Webhook) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		answered := c.r.ledger.Sending(w)
		answer, err := s.Send(c.r.t.Context(), w)
		answered(answer.Status) // 0 when there was none
		if err == nil && answer.Status < http.StatusInternalServerError || c.r.t.Context().Err() != nil {
			return
		}
		<-again.C
	}
}

func (t talk) webhook(i int) sandbox.Webhook {
	values := sandbox.Values{
		"AccountSid": string(owner), "ConversationSid": string(t.sid), "MessageSid": string(sandbox.SID("IM", fmt.Sprintf("%s %d", t.sid, i))),
		"ParticipantSid": string(sandbox.SID("MB", string(t.sid))), "Source": "SMS", "Body": strings.Repeat("hello ", 20), "Author": "omar",
		"Index": fmt.Sprint(i), "DateCreated": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if t.uneasy && i%7 == 3 {
		values["MessageSid"] = "none"
	}
	return sandbox.ConversationsWebhook("onMessageAdded", values)
}
