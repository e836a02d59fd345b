package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

// Mix is how many of each kind of webhook there are, in proportion to their sum.
type Mix struct{ Messages, Deliveries, Participants int }

// RealMix is like real traffic: mostly messages, some delivery receipts, some participants who join or change.
var RealMix = Mix{Messages: 80, Deliveries: 10, Participants: 10}

// MessagesAlone is for measurements that need webhooks of one size.
var MessagesAlone = Mix{Messages: 1}

// TrafficConfig is what Traffic is like.
type TrafficConfig struct {
	Cast          sandbox.Cast // whose account it is
	Conversations int          // at least 1
	Participants  int          // in each conversation; at least 1
	Mix           Mix
	Skew          float64         // exponent of Zipf's law over the conversations, more than 1; 0 takes them in turn
	Bursts        bool            // some conversations have several webhooks in a row
	MayBeDead     []events.Reason // for which events may become dead letters: not_found, if Twilio does not know the conversations
	MessageBytes  int             // about the size of a message's form; 0 leaves messages short
	Seed          uint64          // the same seed gives the same traffic, except for the idempotency tokens, which are unique
}

// Traffic makes webhooks. It is not safe for concurrent use.
type Traffic struct {
	cfg     TrafficConfig
	rng     *rand.Rand
	zipf    *rand.Zipf
	made    int // webhooks so far
	current int // the conversation whose turn it is
	left    int // webhooks left in this turn
}

// NewTraffic returns Traffic of the given kind.
func NewTraffic(cfg TrafficConfig) *Traffic {
	t := &Traffic{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, cfg.Seed))} //nolint:gosec // it must be reproducible, not secret
	if cfg.Skew > 1 {
		t.zipf = rand.NewZipf(t.rng, cfg.Skew, 1, uint64(max(cfg.Conversations, 1)-1)) //nolint:gosec // not negative
	}
	return t
}

// World adds the conversations to s, the state of a fake Twilio's world.
func (t *Traffic) World(s *sandbox.State) {
	for i := range t.cfg.Conversations {
		s.AddConversation(t.conversation(i))
	}
}

// Conversation returns the SID of conversation i.
func (t *Traffic) Conversation(i int) validation.SID {
	return sandbox.SID("CH", fmt.Sprintf("load %d", i))
}

func (t *Traffic) conversation(i int) sandbox.Conversation {
	c := sandbox.Conversation{SID: t.Conversation(i), Account: t.cfg.Cast.Account}
	for n := range max(t.cfg.Participants, 1) {
		p := t.cfg.Cast.Dana
		p.SID, p.ConversationSID = t.participant(i, n), c.SID
		c.Participants = append(c.Participants, p)
	}
	return c
}

func (t *Traffic) participant(conversation, n int) validation.SID {
	return sandbox.SID("MB", fmt.Sprintf("load %d %d", conversation, n))
}

// Next returns the next webhook, its conversation, and whether it begins a turn: all webhooks of a turn are of one
// conversation and come at the same time. Without Bursts every turn is one webhook.
func (t *Traffic) Next() (w sandbox.Webhook, conversation int, begins bool) {
	begins = t.left == 0
	if begins {
		t.current, t.left = t.choose(), t.turn()
	}
	t.left--
	return t.Webhook(t.current), t.current, begins
}

func (t *Traffic) choose() int {
	if t.zipf == nil {
		return t.made % t.cfg.Conversations
	}
	return int(t.zipf.Uint64()) //nolint:gosec // less than Conversations
}

// turn returns how many webhooks a turn has: with Bursts, one turn in ten has 2 to 12.
func (t *Traffic) turn() int {
	if !t.cfg.Bursts || t.rng.IntN(10) > 0 {
		return 1
	}
	return 2 + t.rng.IntN(11)
}

// Webhook returns a webhook about conversation i.
func (t *Traffic) Webhook(i int) sandbox.Webhook {
	t.made++
	values := t.cfg.Cast.Values(time.Now())
	values["ConversationSid"] = string(t.Conversation(i))
	values["ParticipantSid"] = string(t.participant(i, t.rng.IntN(max(t.cfg.Participants, 1))))
	values["MessageSid"] = string(sandbox.SID("IM", fmt.Sprintf("load %d %d", t.cfg.Seed, t.made)))
	name := t.name()
	w := sandbox.ConversationsWebhook(name, values)
	if short := t.cfg.MessageBytes - len(w.Body); name == message && short > 0 {
		values["Body"] += strings.Repeat("x", short)
		w = sandbox.ConversationsWebhook(name, values)
	}
	w.MayBeDead = t.cfg.MayBeDead
	return w
}

const message = "onMessageAdded"

func (t *Traffic) name() string {
	m := t.cfg.Mix
	switch n := t.rng.IntN(m.Messages + m.Deliveries + m.Participants); {
	case n < m.Messages:
		return message
	case n < m.Messages+m.Deliveries:
		return "onDeliveryUpdated"
	case n%2 == 0:
		return "onParticipantAdded"
	default:
		return "onParticipantUpdated"
	}
}
