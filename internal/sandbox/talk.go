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

// Conversation is the talk as the fake Twilio knows it.
func (t Talk) Conversation() Conversation {
	return Conversation{SID: t.SID, Account: t.Account, Participants: []ConversationParticipant{
		{SID: t.participant(), Identity: "omar", DateCreated: begun(), DateUpdated: begun()},
	}}
}

// Message is the webhook of its message number n, said at that time.
func (t Talk) Message(n int, at time.Time) Webhook {
	return ConversationsWebhook("onMessageAdded", t.message(SID("IM", fmt.Sprintf("%s %d", t.SID, n)), n, at))
}

// Invalid is Message without an identifier of the message: authentic, and a dead letter.
func (t Talk) Invalid(n int, at time.Time) Webhook {
	w := ConversationsWebhook("onMessageAdded", t.message("none", n, at))
	w.MayBeDead = []events.Reason{events.ReasonInvalid}
	return w
}

func (t Talk) message(sid validation.SID, n int, at time.Time) Values {
	return Values{
		"AccountSid": string(t.Account), "ConversationSid": string(t.SID), "MessageSid": string(sid), "ParticipantSid": string(t.participant()),
		"Source": "SMS", "Body": strings.Repeat("hello ", 20), "Author": "omar", "Index": fmt.Sprint(n),
		"DateCreated": at.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
}

func (t Talk) participant() validation.SID { return SID("MB", string(t.SID)) }
