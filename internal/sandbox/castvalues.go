package sandbox

import (
	"time"
)

// Values returns values of v1 webhooks about Dana in Support: of every documented field that
// is not null for her.
func (c Cast) Values(at time.Time) Values {
	now := stamp(at)
	ids := Values{
		"AccountSid": string(c.Account), "ConversationSid": string(c.Support.SID), "ParticipantSid": string(c.Dana.SID),
		"ChatServiceSid": string(c.Support.Service), "MessagingServiceSid": string(c.MessagingService),
		"MessageSid": string(SID("IM", now)), "RoleSid": string(SID("RL", "participant")), "UserSid": string(SID("US", "omar")),
		"DeliveryReceiptSid": string(SID("DY", now)), "ChannelMessageSid": string(SID("SM", now)),
	}
	return ids.with(Values{
		"Source": "SMS", "Attributes": c.Dana.Attributes, "Body": "Hello", "Author": danaNumber, "Index": "0",
		"MessagingBinding.Type": "sms", "MessagingBinding.Address": danaNumber, "MessagingBinding.ProxyAddress": shopNumber,
		"MessageBody": "Hello", "FriendlyName": "Support", "UniqueName": "support", "State": "active",
		"StateFrom": "active", "StateTo": "inactive", "Reason": "TIMER", "StateUpdated": now,
		"Status": "delivered", "ErrorCode": "0", "LastReadMessageIndex": "0", "isOnline": "true", "isNotifiable": "false",
		"DateCreated": now, "DateUpdated": now, "DateRemoved": now,
	})
}

// FlexValues returns a value for every field that Twilio documents for Flex webhooks.
func (c Cast) FlexValues() Values {
	return Values{
		"AccountSid": string(c.Account), "InstanceSid": string(SID("GO", "shop")),
		"InteractionSid": string(c.Desk.Interaction), "ChannelSid": string(c.Desk.SID),
		"ParticipantSid": string(c.FlexOmar.SID), "ParticipantType": "agent", "TaskSid": string(SID("WT", "desk")),
		"MediaChannelSid": string(c.Support.SID), "MediaChannelType": "sms",
		"ChannelStatus": "active", "ErrorCode": "45001", "ErrorMessage": "channel could not be created",
	}
}

// V2Data returns Order as a v2 webhook shows it.
func (c Cast) V2Data() map[string]any {
	return map[string]any{
		"id": c.Order.ID, "accountId": c.Account, "name": "Where is my order?", "status": "ACTIVE",
		"createdAt": stamp(begun()), "updatedAt": stamp(begun()),
	}
}

// Communication returns what from says in Order, to the others, as a v2 webhook shows it.
func (c Cast) Communication(text string, from V2Participant, to ...V2Participant) map[string]any {
	recipients := make([]map[string]any, len(to))
	for i, p := range to {
		recipients[i] = party(p)
	}
	return map[string]any{
		"id": V2ID("conv_communication", text), "conversationId": c.Order.ID, "accountId": c.Account,
		"content": map[string]any{"type": "TEXT", "text": text},
		"author":  party(from), "recipients": recipients,
		"createdAt": stamp(begun()), "updatedAt": stamp(begun()),
	}
}

func party(p V2Participant) map[string]any {
	return map[string]any{
		"address": p.Addresses[0].Address, "channel": p.Addresses[0].Channel, "participantId": p.ID,
	}
}

// Message returns the values of a webhook in which Dana says text in Support.
func (c Cast) Message(text string, at time.Time) Values {
	return c.Values(at).with(Values{"Body": text})
}
