package sandbox

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// Talk is a v1 conversation with one participant and any number of messages, for load.
type Talk struct {
	Account, SID validation.SID
}

// Conversation returns the talk for the world of a fake Twilio.
func (t Talk) Conversation() Conversation {
	return Conversation{SID: t.SID, Account: t.Account, Participants: []ConversationParticipant{
		{SID: t.participant(), Identity: "omar", DateCreated: begun(), DateUpdated: begun()},
	}}
}

// Message returns the webhook of message number n.
func (t Talk) Message(n int, at time.Time) Webhook {
	return ConversationsWebhook("onMessageAdded", t.message(SID("IM", fmt.Sprintf("%s %d", t.SID, n)), n, at))
}

// Invalid returns Message with a malformed MessageSid: it must become a dead letter.
func (t Talk) Invalid(n int, at time.Time) Webhook {
	w := ConversationsWebhook("onMessageAdded", t.message("none", n, at))
	w.MayBeDead = []events.Reason{events.ReasonInvalid}
	return w
}

func (t Talk) message(sid validation.SID, n int, at time.Time) Values {
	return Values{
		"AccountSid": string(t.Account), "ConversationSid": string(t.SID), "MessageSid": string(sid), "ParticipantSid": string(t.participant()),
		"Source": "SMS", "Body": strings.Repeat("hello ", 20), "Author": "omar", "Index": fmt.Sprint(n),
		"DateCreated": stamp(at),
	}
}

func (t Talk) participant() validation.SID { return SID("MB", string(t.SID)) }
