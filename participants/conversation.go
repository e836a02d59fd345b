package participants

import "github.com/rollcall-events/rollcall/validation"

// conversationPage decodes a page of the v1 list. Twilio documents every field as nullable; we require sid and meta.
func conversationPage(want asked) func([]byte, *report) page {
	return func(body []byte, r *report) page {
		r.api = Conversations
		whole := newDocument(body, r)
		if whole.fields == nil {
			return page{}
		}
		found := participantsOf(whole, func(o object) Participant { return conversationParticipant(o, want) })
		return page{participants: found, next: nextPageURL(whole)}
	}
}

// maxIdentity is how many characters an identity may have, as Twilio documents it.
const maxIdentity = 256

func conversationParticipant(o object, want asked) Participant {
	o.require("sid")
	return Participant{
		API:            Conversations,
		ID:             o.sid("sid", validation.PrefixParticipant),
		AccountID:      o.requested("account_sid", o.sid("account_sid", validation.PrefixAccount), want.account),
		ConversationID: o.requested("conversation_sid", o.sid("conversation_sid", validation.PrefixConversation), want.conversation),
		Identity:       o.max("identity", maxIdentity),
		RoleSID:        o.sid("role_sid", validation.PrefixRole),
		Attributes:     o.jsonText("attributes"),
		Addresses:      messagingBinding(o),
		LastRead:       lastRead(o),
		CreatedAt:      o.time("date_created"),
		UpdatedAt:      o.time("date_updated"),
		URL:            o.uri("url"),
		Extra:          o.rest(UnexpectedParticipantField),
	}
}

// messagingBinding returns the address of a participant; none for one who uses a chat SDK, whose binding is null.
func messagingBinding(o object) []Address {
	raw := o.raw("messaging_binding")
	if raw == nil {
		return nil
	}
	binding := o.report.nested(o.name("messaging_binding"), raw)
	return []Address{{
		Channel:          binding.plain("type"),
		Address:          binding.plain("address"),
		ProxyAddress:     binding.plain("proxy_address"),
		ProjectedAddress: binding.plain("projected_address"),
		Extra:            binding.rest(UnexpectedAddressField),
	}}
}

func lastRead(o object) *LastRead {
	index, at := o.integer("last_read_message_index"), o.plain("last_read_timestamp")
	if index == nil && at == "" {
		return nil
	}
	return &LastRead{MessageIndex: index, Timestamp: at}
}
