package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// V2Conversation is a conversation of the v2 API.
type V2Conversation struct {
	ID           validation.V2ID `json:"id"`
	Account      validation.SID  `json:"accountId"`
	Participants []V2Participant `json:"participants"`
}

// V2Participant is a participant as the v2 API and its webhooks show it. The API fills in its
// conversation and account.
type V2Participant struct {
	ID             validation.V2ID `json:"id"`
	ConversationID validation.V2ID `json:"conversationId"`
	AccountID      validation.SID  `json:"accountId"`
	Name           Nullable        `json:"name"`
	Type           string          `json:"type"`
	ProfileID      validation.V2ID `json:"profileId,omitempty"` // of a CUSTOMER only
	Addresses      []V2Address     `json:"addresses"`
	CreatedAt      time.Time       `json:"createdAt"`
	UpdatedAt      time.Time       `json:"updatedAt"`
}

// V2Address is an address of a v2 participant.
type V2Address struct {
	Channel   string   `json:"channel"`
	Address   string   `json:"address"`
	ChannelID Nullable `json:"channelId"`
}

const (
	maxV2Page     = 1000
	defaultV2Page = 50
)

// fetchV2 answers GET /v2/Conversations/{conversation}/Participants/{participant}.
func (t *Twilio) fetchV2(w http.ResponseWriter, r *http.Request, caller Account) {
	c, ok := t.v2Conversation(r, caller)
	id := validation.V2ID(r.PathValue("participant"))
	i := slices.IndexFunc(c.Participants, func(p V2Participant) bool { return p.ID == id })
	if !ok || i < 0 {
		notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, shownV2(c, c.Participants[i]))
}

// v2Meta is the paging of a v2 list: tokens, not URLs.
type v2Meta struct {
	Key           string   `json:"key"`
	PageSize      int      `json:"pageSize"`
	PreviousToken Nullable `json:"previousToken"`
	NextToken     Nullable `json:"nextToken"`
}

// listV2 answers GET /v2/Conversations/{conversation}/Participants.
func (t *Twilio) listV2(w http.ResponseWriter, r *http.Request, caller Account) {
	c, ok := t.v2Conversation(r, caller)
	if !ok {
		notFound(w, r)
		return
	}
	size, offset, ok := v2Paging(r)
	if !ok {
		writeError(w, r, http.StatusBadRequest, codeInvalidParameter, "Invalid paging parameter")
		return
	}
	shown := make([]any, 0, size)
	for _, p := range window(c.Participants, offset, size) {
		shown = append(shown, shownV2(c, p))
	}
	meta := v2Meta{Key: "participants", PageSize: size}
	if offset+size < len(c.Participants) {
		meta.NextToken = Nullable(pageToken(offset + size))
	}
	if offset > 0 {
		meta.PreviousToken = Nullable(pageToken(max(0, offset-size)))
	}
	writeJSON(w, http.StatusOK, map[string]any{"meta": meta, "participants": shown})
}

func (t *Twilio) v2Conversation(r *http.Request, caller Account) (V2Conversation, bool) {
	c, ok := t.world.State().V2Conversations[validation.V2ID(r.PathValue("conversation"))]
	return c, ok && c.Account == caller.SID
}

// v2Paging reads pageSize and pageToken.
func v2Paging(r *http.Request) (size, offset int, ok bool) {
	query := r.URL.Query()
	size = defaultV2Page
	if s := query.Get("pageSize"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxV2Page {
			return 0, 0, false
		}
		size = n
	}
	if token := query.Get("pageToken"); token != "" {
		offset, ok = readPageToken(token)
		return size, offset, ok
	}
	return size, 0, true
}

func shownV2(c V2Conversation, p V2Participant) V2Participant {
	p.ConversationID, p.AccountID = c.ID, c.Account
	if p.Addresses == nil {
		p.Addresses = []V2Address{}
	}
	return p
}
