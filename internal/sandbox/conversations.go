package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Nullable is a string that is null in JSON when it is empty.
type Nullable string

// MarshalJSON implements json.Marshaler.
func (n Nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}

// Conversation is a v1 conversation.
type Conversation struct {
	SID          validation.SID            `json:"sid"`
	Account      validation.SID            `json:"account_sid"`
	Service      validation.SID            `json:"chat_service_sid,omitempty"`
	ServiceOnly  bool                      `json:"service_only,omitempty"` // found only under /v1/Services/{Service}; 404 elsewhere
	Participants []ConversationParticipant `json:"participants"`
}

// ConversationParticipant is a participant as the v1 list shows it. The list fills in what follows
// from the conversation: account, conversation and URL.
type ConversationParticipant struct {
	SID                  validation.SID    `json:"sid"`
	URL                  Nullable          `json:"url"`
	Identity             Nullable          `json:"identity"`
	RoleSID              Nullable          `json:"role_sid"`
	Attributes           string            `json:"attributes"` // JSON; "{}" when empty
	AccountSID           validation.SID    `json:"account_sid"`
	DateCreated          time.Time         `json:"date_created"`
	DateUpdated          time.Time         `json:"date_updated"`
	ConversationSID      validation.SID    `json:"conversation_sid"`
	MessagingBinding     *MessagingBinding `json:"messaging_binding"`
	LastReadTimestamp    Nullable          `json:"last_read_timestamp"`
	LastReadMessageIndex *int64            `json:"last_read_message_index"`
}

// MessagingBinding is the address of a v1 participant without a chat identity.
type MessagingBinding struct {
	Type             string `json:"type,omitempty"`
	Address          string `json:"address,omitempty"`
	ProxyAddress     string `json:"proxy_address,omitempty"`
	ProjectedAddress string `json:"projected_address,omitempty"`
}

const maxConversationPage = 100

// listConversation answers GET /v1/Conversations/{conversation}/Participants.
func (t *Twilio) listConversation(w http.ResponseWriter, r *http.Request, caller Account) {
	sid := validation.SID(r.PathValue("conversation"))
	c, ok := t.world.State().Conversations[sid]
	if !ok || c.Account != caller.SID || c.ServiceOnly {
		notFound(w, r)
		return
	}
	t.conversationPage(w, r, c)
}

// listServiceConversation answers GET /v1/Services/{service}/Conversations/{conversation}/Participants.
func (t *Twilio) listServiceConversation(w http.ResponseWriter, r *http.Request, caller Account) {
	sid, service := validation.SID(r.PathValue("conversation")), validation.SID(r.PathValue("service"))
	c, ok := t.world.State().Conversations[sid]
	if !ok || c.Account != caller.SID || c.Service != service {
		notFound(w, r)
		return
	}
	t.conversationPage(w, r, c)
}

func (t *Twilio) conversationPage(w http.ResponseWriter, r *http.Request, c Conversation) {
	writePage(w, r, c.Participants, maxConversationPage, func(p ConversationParticipant) any {
		p.AccountSID, p.ConversationSID = c.Account, c.SID
		p.URL = Nullable(fmt.Sprintf("%s/%s", selfURL(r), p.SID))
		if p.Attributes == "" {
			p.Attributes = "{}"
		}
		p.DateCreated, p.DateUpdated = p.DateCreated.UTC().Truncate(time.Second), p.DateUpdated.UTC().Truncate(time.Second)
		return p
	})
}
