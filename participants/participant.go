package participants

import (
	"encoding/json"
	"time"
)

// API names the API that a participant was read from; the same words are the api
// token of subjects.
type API string

// The three APIs.
const (
	Conversations API = "conversations" // v1 Conversations
	Flex          API = "flex"          // v1 Flex Interactions
	Orchestrator  API = "orchestrator"  // v2 Conversations
)

// Participant is one participant in the one shape that all three APIs share. No
// documented field is lost, and Extra keeps the undocumented ones. What an API does
// not have, or gives as null, is absent. Its JSON reads back as the same Participant; the raw JSON
// in it has no white space between tokens.
type Participant struct {
	API            API             `json:"api"`
	ID             string          `json:"id"`                           // MB…, UT… or conv_participant_…
	AccountID      string          `json:"account_id,omitempty"`         // AC…
	ConversationID string          `json:"conversation_id,omitempty"`    // CH… or conv_conversation_…
	InteractionSID string          `json:"interaction_sid,omitempty"`    // Flex: KD…
	ChannelSID     string          `json:"channel_sid,omitempty"`        // Flex: UO…
	Type           string          `json:"type,omitempty"`               // as Twilio spells it: "customer" (Flex), "HUMAN_AGENT" (v2)
	Name           string          `json:"name,omitempty"`               // v2 display name
	Identity       string          `json:"identity,omitempty"`           // v1 chat identity
	ProfileID      string          `json:"profile_id,omitempty"`         // v2
	RoleSID        string          `json:"role_sid,omitempty"`           // v1: RL…
	Attributes     json.RawMessage `json:"attributes,omitempty"`         // v1: the JSON that its string held
	Routing        json.RawMessage `json:"routing_properties,omitempty"` // Flex
	Addresses      []Address       `json:"addresses,omitempty"`          // v1: at most one, from messaging_binding
	LastRead       *LastRead       `json:"last_read,omitempty"`          // v1
	CreatedAt      *time.Time      `json:"created_at,omitempty"`
	UpdatedAt      *time.Time      `json:"updated_at,omitempty"`
	URL            string          `json:"url,omitempty"`

	Extra map[string]json.RawMessage `json:"extra,omitempty"` // fields the API's page does not document, whole
}

// Address is one way to reach a participant. Channel is as Twilio spells it ("sms", "SMS", "whatsapp").
type Address struct {
	Channel          string `json:"channel,omitempty"`
	Address          string `json:"address,omitempty"`
	ProxyAddress     string `json:"proxy_address,omitempty"`
	ProjectedAddress string `json:"projected_address,omitempty"`
	ChannelID        string `json:"channel_id,omitempty"`

	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// LastRead is how far a v1 participant has read.
type LastRead struct {
	MessageIndex *int64 `json:"message_index,omitempty"`
	Timestamp    string `json:"timestamp,omitempty"` // as Twilio sent it; the page promises a string, no format
}
