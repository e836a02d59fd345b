package participants

import "github.com/rollcall-events/rollcall/validation"

// channelPage decodes a page of the Flex list.
func channelPage(want asked) func([]byte, *report) page {
	return func(body []byte, r *report) page {
		r.api = Flex
		whole := newDocument(body, r)
		if whole.fields == nil {
			return page{}
		}
		found := participantsOf(whole, func(o object) Participant { return channelParticipant(o, want) })
		return page{participants: found, next: nextPageURL(whole)}
	}
}

func channelParticipant(o object, want asked) Participant {
	o.require("sid")
	o.forbidNull("type")
	return Participant{
		API:            Flex,
		ID:             o.sid("sid", validation.PrefixChannelParticipant),
		InteractionSID: o.requested("interaction_sid", o.sid("interaction_sid", validation.PrefixInteraction), want.interaction),
		ChannelSID:     o.requested("channel_sid", o.sid("channel_sid", validation.PrefixChannel), want.channel),
		Type:           o.open("type", UnexpectedType, "supervisor", "customer", "external", "agent", "unknown"),
		Routing:        o.any("routing_properties"),
		URL:            o.uri("url"),
		Extra:          o.rest(UnexpectedParticipantField),
	}
}
