package events

import (
	"encoding/json"
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Event is one thing that happened, as Twilio reported it: what a message at StageRaw holds, and what
// the messages at the other stages are about.
type Event struct {
	// ID identifies the event at every stage, and is the CloudEvents id: Twilio's idempotency token, the Event Streams
	// id, or a digest of the payload without the fields that tell deliveries apart. The same webhook sent twice has the same ID.
	// It is 1 to 128 characters of [A-Za-z0-9._:~-].
	ID string `json:"-"`

	API        API            `json:"api"`
	Resource   string         `json:"resource"`              // what the event is about: "message", "participant", …; see Kinds; Unknown for a type that is not there
	Action     string         `json:"action"`                // what happened to it: "added", "removed", …; Unknown as for Resource
	Name       string         `json:"name"`                  // Twilio's own name for the type ("onMessageAdded"), cut at MaxName bytes
	Feed       Feed           `json:"feed"`                  // how it reached us
	PreAction  bool           `json:"pre_action,omitempty"`  // the action has not been carried out yet, and may never be
	Account    validation.SID `json:"account_sid,omitempty"` // AC…; absent only for events that look nothing up: see Parse
	Refs       Refs           `json:"refs"`
	OccurredAt time.Time      `json:"occurred_at,omitzero"` // when Twilio says it happened, UTC; zero when it does not say, as for Flex and every pre-action
	ReceivedAt time.Time      `json:"received_at"`          // when the webhook arrived, UTC

	// Payload is all of Twilio's fields, documented or not, as a compact JSON object with its keys sorted. A form's
	// values are strings under their literal names ("MessagingBinding.Address"), and a repeated field is an array of its
	// values in order. For Event Streams it is the CloudEvent's data, whose names are those of the webhook.
	Payload json.RawMessage `json:"payload"`

	// Envelope is for Event Streams only: an object of the other attributes of Twilio's CloudEvent (id, type, source, time,
	// dataschema, extensions).
	Envelope json.RawMessage `json:"envelope,omitempty"`

	// ReplayOf is for events that an operator replayed from a dead letter: the ID that the event first had, however
	// often it has been replayed since.
	ReplayOf string `json:"replay_of,omitempty"`
}

// Refs are the identifiers that an event carries; those that it does not carry are empty. Each is well formed
// and of a prefix that its tag allows. Fields that end in SID are from v1 and Flex payloads, those that end in
// ID or IDs from v2.
type Refs struct {
	ConversationSID     validation.SID `json:"conversation_sid,omitempty" validate:"omitempty,sid=CH"`
	ParticipantSID      validation.SID `json:"participant_sid,omitempty" validate:"omitempty,sid=MB UT"` // v1: MB…; Flex: UT…
	MessageSID          validation.SID `json:"message_sid,omitempty" validate:"omitempty,sid=IM"`
	UserSID             validation.SID `json:"user_sid,omitempty" validate:"omitempty,sid=US"`
	RoleSID             validation.SID `json:"role_sid,omitempty" validate:"omitempty,sid=RL"`
	ChatServiceSID      validation.SID `json:"chat_service_sid,omitempty" validate:"omitempty,sid=IS"`
	MessagingServiceSID validation.SID `json:"messaging_service_sid,omitempty" validate:"omitempty,sid=MG"`
	DeliveryReceiptSID  validation.SID `json:"delivery_receipt_sid,omitempty" validate:"omitempty,sid=DY"`
	ChannelMessageSID   validation.SID `json:"channel_message_sid,omitempty" validate:"omitempty,sid"` // the message on the channel below: SM…, MM…, WA…
	InteractionSID      validation.SID `json:"interaction_sid,omitempty" validate:"omitempty,sid=KD"`
	ChannelSID          validation.SID `json:"channel_sid,omitempty" validate:"omitempty,sid=UO"` // of a Flex interaction
	InstanceSID         validation.SID `json:"instance_sid,omitempty" validate:"omitempty,sid=GO"`
	TaskSID             validation.SID `json:"task_sid,omitempty" validate:"omitempty,sid=WT"`
	MediaChannelSID     validation.SID `json:"media_channel_sid,omitempty" validate:"omitempty,sid"` // what carries the Flex channel: a v1 conversation (CH…), a call, …

	ConversationID  validation.V2ID   `json:"conversation_id,omitempty" validate:"omitempty,v2id"`
	CommunicationID validation.V2ID   `json:"communication_id,omitempty" validate:"omitempty,v2id"`
	ParticipantIDs  []validation.V2ID `json:"participant_ids,omitempty" validate:"omitempty,max=1000,dive,v2id"` // the participant that the event is about; or a communication's author, then its recipients, each once; MaxParticipants at most
}

// Kind returns the row of Kinds for the event's type. For a type that is not there, it is a row whose Resource
// and Action are Unknown, which requires nothing and looks nothing up.
func (e Event) Kind() Kind {
	return e.row().clone()
}

// row is Kind without the copy, for callers that do not change it.
func (e Event) row() Kind {
	if i, ok := byTokens[tokens{e.API, e.Resource, e.Action}]; ok {
		return table[i]
	}
	return unknownKind(e.API)
}

// nowhere is the key of an event that names nothing to keep order by, and the account of an envelope's source without one.
const nowhere = "none"

// Key is what events are kept in order by: the conversation, else the Flex channel, else the user, else
// the account; "none" for an event that names none of them. It is always a single subject token.
func (e Event) Key() string {
	for _, key := range [...]string{
		string(e.Refs.ConversationSID), string(e.Refs.ConversationID), string(e.Refs.ChannelSID),
		string(e.Refs.UserSID), string(e.Account),
	} {
		if isToken(key) {
			return key
		}
	}
	return nowhere
}

// isToken reports whether s is safe as a single subject token.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func knownAPI(api API) bool {
	return api == participants.Conversations || api == participants.Flex || api == participants.Orchestrator
}
