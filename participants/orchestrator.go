package participants

import (
	"strconv"

	"github.com/rollcall-events/rollcall/validation"
)

// orchestratorPage decodes a page of the v2 list. Its meta may be absent, since Twilio does not document when it is sent.
func orchestratorPage(want asked) func([]byte, *report) page {
	return func(body []byte, r *report) page {
		r.api = Orchestrator
		whole := newDocument(body, r)
		if whole.fields == nil {
			return page{}
		}
		found := participantsOf(whole, func(o object) Participant { return orchestratorParticipant(o, want) })
		return page{participants: found, next: nextToken(whole)}
	}
}

func nextToken(whole object) string {
	raw := whole.raw("meta")
	if raw == nil {
		return ""
	}
	return whole.report.nested("meta", raw).plain("nextToken")
}

// decodeOrchestratorParticipant decodes the answer of the v2 fetch.
func decodeOrchestratorParticipant(body []byte, want asked, r *report) Participant {
	r.api = Orchestrator
	whole := newDocument(body, r)
	if whole.fields == nil {
		return Participant{}
	}
	return orchestratorParticipant(whole, want)
}

// orchestratorParticipant reads a v2 participant. Twilio documents every field as optional and no pattern for
// identifiers, so null counts as absent, and identifiers are checked leniently.
func orchestratorParticipant(o object, want asked) Participant {
	o.require("id")
	account := o.v2id("accountId")
	if !validation.IsSID(account, validation.PrefixAccount) {
		want.account = "" // an account id that is not a SID cannot be compared with the credentials'
	}
	return Participant{
		API:            Orchestrator,
		ID:             o.requested("id", o.v2id("id"), want.participant),
		AccountID:      o.requested("accountId", account, want.account),
		ConversationID: o.requested("conversationId", o.v2id("conversationId"), want.conversation),
		Type:           o.open("type", UnexpectedType, "HUMAN_AGENT", "CUSTOMER", "AI_AGENT", "AGENT", "UNKNOWN"),
		Name:           o.plain("name"),
		ProfileID:      o.v2id("profileId"),
		Addresses:      orchestratorAddresses(o),
		CreatedAt:      o.time("createdAt"),
		UpdatedAt:      o.time("updatedAt"),
		Extra:          o.rest(UnexpectedParticipantField),
	}
}

func orchestratorAddresses(o object) []Address {
	items := o.array("addresses")
	if len(items) == 0 {
		return nil
	}
	all := make([]Address, 0, len(items))
	for i, item := range items {
		all = append(all, orchestratorAddress(o.report.nested(o.name("addresses")+"["+strconv.Itoa(i)+"]", item)))
	}
	return all
}

func orchestratorAddress(o object) Address {
	return Address{
		Channel:   o.plain("channel"),
		Address:   o.plain("address"),
		ChannelID: o.plain("channelId"),
		Extra:     o.rest(UnexpectedAddressField),
	}
}
