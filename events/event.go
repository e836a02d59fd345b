package events

import (
	"encoding/json"
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Event is one thing that happened, as a feed told it: what every stage shares.
type Event struct {
	// ID is the event's identity in every stage: Twilio's idempotency token, the Event Streams id, or
	// a digest of the payload without its transport fields. The same webhook sent twice has the same ID.
	ID string `json:"-"`

	API        API            `json:"api"`
	Resource   string         `json:"resource"`
	Action     string         `json:"action"`
	Name       string         `json:"name"` // Twilio's own name for the type, as it came, cut at MaxName bytes
	Feed       Feed           `json:"feed"`
	PreAction  bool           `json:"pre_action,omitempty"`
	Account    validation.SID `json:"account_sid,omitempty"` // absent only where nothing needs it: see Parse
	Refs       Refs           `json:"refs"`
	OccurredAt time.Time      `json:"occurred_at,omitzero"` // when Twilio says, UTC; absent when it does not say, as for every pre-action
	ReceivedAt time.Time      `json:"received_at"`          // UTC

	// Payload is Twilio's fields whole, as a compact JSON object with its keys sorted. A form's values are strings
	// under their literal names ("MessagingBinding.Address"), a repeated key is an array of its values in order. For
	// Event Streams it is the CloudEvent's data, so that its names are those of the webhook.
	Payload json.RawMessage `json:"payload"`

	// Envelope is, for Event Streams alone, every other attribute of Twilio's CloudEvent (id, type, source, time,
	// dataschema, extensions), as an object.
	Envelope json.RawMessage `json:"envelope,omitempty"`

	// ReplayOf is, for an event that an operator replayed from its dead letter, the ID that it first had. However often it
	// is replayed, this stays.
	ReplayOf string `json:"replay_of,omitempty"`
}

// Refs are the identifiers that an event carries, checked. Absent ones are empty.
type Refs struct {
	ConversationSID     validation.SID `json:"conversation_sid,omitempty" validate:"omitempty,sid=CH"`
	ParticipantSID      validation.SID `json:"participant_sid,omitempty" validate:"omitempty,sid=MB UT"`
	MessageSID          validation.SID `json:"message_sid,omitempty" validate:"omitempty,sid=IM"`
	UserSID             validation.SID `json:"user_sid,omitempty" validate:"omitempty,sid=US"`
	RoleSID             validation.SID `json:"role_sid,omitempty" validate:"omitempty,sid=RL"`
	ChatServiceSID      validation.SID `json:"chat_service_sid,omitempty" validate:"omitempty,sid=IS"`
	MessagingServiceSID validation.SID `json:"messaging_service_sid,omitempty" validate:"omitempty,sid=MG"`
	DeliveryReceiptSID  validation.SID `json:"delivery_receipt_sid,omitempty" validate:"omitempty,sid=DY"`
	ChannelMessageSID   validation.SID `json:"channel_message_sid,omitempty" validate:"omitempty,sid"`
	InteractionSID      validation.SID `json:"interaction_sid,omitempty" validate:"omitempty,sid=KD"`
	ChannelSID          validation.SID `json:"channel_sid,omitempty" validate:"omitempty,sid=UO"`
	InstanceSID         validation.SID `json:"instance_sid,omitempty" validate:"omitempty,sid=GO"`
	TaskSID             validation.SID `json:"task_sid,omitempty" validate:"omitempty,sid=WT"`
	MediaChannelSID     validation.SID `json:"media_channel_sid,omitempty" validate:"omitempty,sid"`

	ConversationID  validation.V2ID   `json:"conversation_id,omitempty" validate:"omitempty,v2id"`
	CommunicationID validation.V2ID   `json:"communication_id,omitempty" validate:"omitempty,v2id"`
	ParticipantIDs  []validation.V2ID `json:"participant_ids,omitempty" validate:"omitempty,dive,v2id"` // v2: the participant; or a communication's author, then its recipients, each once
}

// Kind returns the event's row of the table; for a type that is not in it, a row
// named Unknown that needs nothing and looks nothing up.
func (e Event) Kind() Kind {
	return e.row().clone()
}

// row is Kind for readers.
func (e Event) row() Kind {
	if i, ok := byTokens[tokens{e.API, e.Resource, e.Action}]; ok {
		return table[i]
	}
	return unknownKind(e.API)
}

// nowhere is the key of an event that names nothing to keep order on.
const nowhere = "none"

// Key is what order is kept on: the conversation, else the Flex channel, else the
// user, else the account; "none" for an event that names none of them. It is always one subject token.
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

// isToken reports whether s, an identifier, is one subject token.
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
