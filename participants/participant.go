package participants

import (
	"encoding/json"
	"time"
)

// API is the API that a participant was read from. Its values are also the api tokens of NATS subjects.
type API string

// The three APIs.
const (
	Conversations API = "conversations" // v1 Conversations
	Flex          API = "flex"          // v1 Flex Interactions
	Orchestrator  API = "orchestrator"  // v2 Conversations (Orchestrator)
)

// Participant is a participant of any of the three APIs, in one shape. It has every documented field, and Extra
// keeps undocumented ones. A field that the API does not have, or that is null, is absent: "" or nil. Raw JSON in it is
// compact, so that a Participant that is written as JSON and read again is the same.
type Participant struct {
	API            API             `json:"api"`
	ID             string          `json:"id"`                           // MB…, UT… or conv_participant_…
	AccountID      string          `json:"account_id,omitempty"`         // AC…
	ConversationID string          `json:"conversation_id,omitempty"`    // CH… or conv_conversation_…
	InteractionSID string          `json:"interaction_sid,omitempty"`    // Flex: KD…
	ChannelSID     string          `json:"channel_sid,omitempty"`        // Flex: UO…
	Type           string          `json:"type,omitempty"`               // Flex, v2: as Twilio spells it, such as "customer" or "HUMAN_AGENT"; an open list
	Name           string          `json:"name,omitempty"`               // v2: display name
	Identity       string          `json:"identity,omitempty"`           // v1: of a user of the Conversations SDK, at most 256 characters
	ProfileID      string          `json:"profile_id,omitempty"`         // v2: mem_profile_…, of customers
	RoleSID        string          `json:"role_sid,omitempty"`           // v1: RL…
	Attributes     json.RawMessage `json:"attributes,omitempty"`         // v1: the JSON in Twilio's attributes string
	Routing        json.RawMessage `json:"routing_properties,omitempty"` // Flex: as Twilio sent it
	Addresses      []Address       `json:"addresses,omitempty"`          // v1 (at most one, from messaging_binding), v2
	LastRead       *LastRead       `json:"last_read,omitempty"`          // v1
	CreatedAt      *time.Time      `json:"created_at,omitempty"`         // v1, v2
	UpdatedAt      *time.Time      `json:"updated_at,omitempty"`         // v1, v2
	URL            string          `json:"url,omitempty"`                // v1, Flex: of the resource at Twilio

	Extra map[string]json.RawMessage `json:"extra,omitempty"` // undocumented fields, by Twilio's names
}

// Address is an address at which a participant is reached.
type Address struct {
	Channel          string `json:"channel,omitempty"`           // as Twilio spells it, such as "sms" (v1) or "SMS" (v2); an open list
	Address          string `json:"address,omitempty"`           // the participant's own: "+15558675310", "whatsapp:+15558675310", …
	ProxyAddress     string `json:"proxy_address,omitempty"`     // v1: the address that the participant writes to
	ProjectedAddress string `json:"projected_address,omitempty"` // v1: the address that a chat participant writes from in a group MMS
	ChannelID        string `json:"channel_id,omitempty"`        // v2: the channel's own identifier for the address

	Extra map[string]json.RawMessage `json:"extra,omitempty"` // undocumented fields, by Twilio's names
}

// LastRead is how far a v1 participant has read.
type LastRead struct {
	MessageIndex *int64 `json:"message_index,omitempty"` // index of the last message read
	Timestamp    string `json:"timestamp,omitempty"`     // as Twilio sent it: a string without a documented format
}
