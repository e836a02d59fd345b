package sandbox

import (
	"maps"
	"strings"
)

// Values are the fields of a form webhook, by Twilio's names. A field whose value is "" is left
// out, as Twilio leaves out null fields.
type Values map[string]string

// with returns a copy of v, overlaid with others.
func (v Values) with(others ...Values) Values {
	all := Values{}
	maps.Copy(all, v)
	for _, more := range others {
		maps.Copy(all, more)
	}
	return all
}

// pick returns the named fields of v that have a value.
func (v Values) pick(names []string) Values {
	picked := Values{}
	for _, name := range names {
		if value := v[name]; value != "" {
			picked[name] = value
		}
	}
	return picked
}

// The groups of fields that Twilio's documentation of webhooks repeats.
const (
	bindingFields      = " MessagingBinding.ProxyAddress MessagingBinding.Address MessagingBinding.ProjectedAddress"
	participantFields  = "ConversationSid Identity RoleSid Attributes MessagingBinding.Type" + bindingFields
	messageFields      = "ConversationSid Body Author ParticipantSid Attributes Media"
	storedMessage      = messageFields + " MessageSid Index DateCreated"
	conversationFields = "FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid State"
	storedConversation = conversationFields + " ConversationSid DateCreated DateUpdated"
	userFields         = "ChatServiceSid UserSid Identity RoleSid Attributes FriendlyName"
	flexFields         = "InteractionSid MediaChannelSid MediaChannelType"
	flexParticipant    = flexFields + " ChannelSid ParticipantSid ParticipantType TaskSid"
)

// conversationsFields returns the documented fields of a v1 webhook, without those that all webhooks have; "" for a
// name that Twilio does not document.
func conversationsFields(name string) string {
	switch name {
	case "onParticipantAdd":
		return participantFields
	case "onParticipantAdded":
		return participantFields + " ParticipantSid DateCreated"
	case "onParticipantUpdate", "onParticipantRemove":
		return participantFields + " ParticipantSid DateCreated DateUpdated"
	case "onParticipantUpdated":
		return participantFields + " ParticipantSid DateCreated DateUpdated LastReadMessageIndex"
	case "onParticipantRemoved":
		return participantFields + " ParticipantSid DateCreated DateUpdated DateRemoved"
	case "onMessageAdd":
		return messageFields
	case "onMessageAdded":
		return storedMessage + " MessagingServiceSid ChatServiceSid"
	case "onMessageUpdate", "onMessageUpdated", "onMessageRemove":
		return storedMessage + " DateUpdated"
	case "onMessageRemoved":
		return storedMessage + " DateUpdated DateRemoved"
	case "onConversationAdd":
		return conversationFields + bindingFields + " MessagingBinding.AuthorAddress MessageBody Media"
	case "onConversationAdded":
		return storedConversation + bindingFields + " MessagingBinding.AuthorAddress"
	case "onConversationUpdate", "onConversationUpdated", "onConversationRemove":
		return storedConversation
	case "onConversationRemoved":
		return storedConversation + " DateRemoved"
	case "onConversationStateUpdated":
		return "ChatServiceSid StateUpdated StateFrom StateTo ConversationSid Reason MessagingServiceSid"
	case "onDeliveryUpdated":
		return "ConversationSid ChatServiceSid MessageSid DeliveryReceiptSid ChannelMessageSid ParticipantSid Status ErrorCode DateCreated DateUpdated"
	case "onUserAdded":
		return userFields + " DateCreated"
	case "onUserUpdate":
		return userFields + " DateUpdated"
	case "onUserUpdated":
		return userFields + " DateCreated DateUpdated isOnline isNotifiable"
	}
	return ""
}

// flexFieldsOf is conversationsFields for Flex webhooks.
func flexFieldsOf(name string) string {
	switch name {
	case "onInteractionCreated":
		return flexFields + " InstanceSid"
	case "onChannelCreated":
		return flexFields + " InstanceSid ChannelSid"
	case "onChannelStatusUpdated":
		return flexFields + " InstanceSid ChannelSid ChannelStatus"
	case "onChannelCreateFailed":
		return flexFields + " ChannelSid ErrorCode ErrorMessage"
	case "onParticipantJoined", "onParticipantLeft", "onParticipantUpdated":
		return flexParticipant
	}
	return ""
}

// documented returns the fields of v that names lists, separated by spaces; all of v for "".
func documented(v Values, names string) Values {
	if names == "" {
		return v.with()
	}
	return v.pick(strings.Fields(names))
}
