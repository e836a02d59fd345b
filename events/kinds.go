package events

import (
	"github.com/rollcall-events/rollcall/participants"
)

const streamed = "com.twilio.conversations."

// What kinds require, by the json names of Refs.
var (
	needConversation  = []string{"conversation_sid"}
	needParticipant   = []string{"conversation_sid", "participant_sid"}
	needMessage       = []string{"conversation_sid", "message_sid"}
	needUser          = []string{"user_sid"}
	needInteraction   = []string{"interaction_sid"}
	needChannel       = []string{"interaction_sid", "channel_sid"}
	needChannelMember = []string{"interaction_sid", "channel_sid", "participant_sid"}
	needV2            = []string{"conversation_id"}
	needV2Member      = []string{"conversation_id", "participant_ids"}
	needV2Message     = []string{"conversation_id", "communication_id"}
)

// table is everything that Twilio documents for the feeds. The removal of a message is no Removal: its conversation stays.
var table = []Kind{
	v1Pre("conversation", "add", "onConversationAdd", nil).withoutLookup(), // no ConversationSid exists yet
	v1("conversation", "added", "onConversationAdded", "conversation.added", needConversation),
	v1Pre("conversation", "update", "onConversationUpdate", needConversation),
	v1("conversation", "updated", "onConversationUpdated", "conversation.updated", needConversation),
	v1Pre("conversation", "remove", "onConversationRemove", needConversation).removal(),
	v1("conversation", "removed", "onConversationRemoved", "conversation.removed", needConversation).removal(),
	v1("conversation", "state_updated", "onConversationStateUpdated", "conversation-state.updated", needConversation),

	v1Pre("participant", "add", "onParticipantAdd", needConversation), // no ParticipantSid exists yet
	v1("participant", "added", "onParticipantAdded", "participant.added", needParticipant),
	v1Pre("participant", "update", "onParticipantUpdate", needParticipant),
	v1("participant", "updated", "onParticipantUpdated", "participant.updated", needParticipant),
	v1Pre("participant", "remove", "onParticipantRemove", needParticipant).removal(),
	v1("participant", "removed", "onParticipantRemoved", "participant.removed", needParticipant).removal(),

	v1Pre("message", "add", "onMessageAdd", needConversation), // no MessageSid exists yet
	v1("message", "added", "onMessageAdded", "message.added", needMessage),
	v1Pre("message", "update", "onMessageUpdate", needMessage),
	v1("message", "updated", "onMessageUpdated", "message.updated", needMessage),
	v1Pre("message", "remove", "onMessageRemove", needMessage),
	v1("message", "removed", "onMessageRemoved", "message.removed", needMessage),

	v1("delivery", "updated", "onDeliveryUpdated", "", needMessage),

	v1("user", "added", "onUserAdded", "user.added", needUser).withoutLookup(),
	v1Pre("user", "update", "onUserUpdate", needUser).withoutLookup(),
	v1("user", "updated", "onUserUpdated", "user.updated", needUser).withoutLookup(),

	{
		API: participants.Conversations, Resource: "stream", Action: "tested",
		Stream: "com.twilio.eventstreams.test-event", Lookup: LookupNone,
	},

	flex("interaction", "created", "onInteractionCreated", needInteraction).withoutLookup(), // there is no channel to list yet
	flex("channel", "created", "onChannelCreated", needChannel),
	flex("channel", "status_updated", "onChannelStatusUpdated", needChannel),
	flex("channel", "create_failed", "onChannelCreateFailed", nil).withoutLookup(),
	flex("participant", "joined", "onParticipantJoined", needChannelMember),
	flex("participant", "updated", "onParticipantUpdated", needChannelMember),
	flex("participant", "left", "onParticipantLeft", needChannelMember).removal(),

	v2("conversation", "created", "CONVERSATION_CREATED", needV2, LookupV2),
	v2("conversation", "updated", "CONVERSATION_UPDATED", needV2, LookupV2),
	v2("participant", "added", "PARTICIPANT_ADDED", needV2Member, LookupParticipants),
	v2("participant", "updated", "PARTICIPANT_UPDATED", needV2Member, LookupParticipants),
	v2("participant", "removed", "PARTICIPANT_REMOVED", needV2Member, LookupParticipants).removal(),
	v2("communication", "created", "COMMUNICATION_CREATED", needV2Message, LookupParticipants),
	v2("communication", "updated", "COMMUNICATION_UPDATED", needV2Message, LookupParticipants),
}

func v1(resource, action, name, stream string, requires []string) Kind {
	k := Kind{
		API: participants.Conversations, Resource: resource, Action: action, Name: name,
		Requires: requires, Lookup: LookupConversation,
	}
	if stream != "" {
		k.Stream = streamed + stream
	}
	return k
}

func v1Pre(resource, action, name string, requires []string) Kind {
	k := v1(resource, action, name, "", requires)
	k.Pre = true
	return k
}

func flex(resource, action, name string, requires []string) Kind {
	return Kind{API: participants.Flex, Resource: resource, Action: action, Name: name, Requires: requires, Lookup: LookupChannel}
}

func v2(resource, action, name string, requires []string, lookup Lookup) Kind {
	return Kind{API: participants.Orchestrator, Resource: resource, Action: action, Name: name, Requires: requires, Lookup: lookup}
}

// withoutLookup returns k with nothing to look up.
func (k Kind) withoutLookup() Kind { k.Lookup = LookupNone; return k }

func (k Kind) removal() Kind { k.Removal = true; return k }

// The table's indexes: positions in it.
type (
	tokens struct {
		api              API
		resource, action string
	}
	named struct {
		api  API
		name string
	}
)

var (
	byTokens = index(func(k Kind) (tokens, bool) { return tokens{k.API, k.Resource, k.Action}, true })
	byName   = index(func(k Kind) (named, bool) { return named{k.API, k.Name}, k.Name != "" })
	byStream = index(func(k Kind) (string, bool) { return k.Stream, k.Stream != "" })
)

func index[K comparable](key func(Kind) (K, bool)) map[K]int {
	m := make(map[K]int, len(table))
	for i, k := range table {
		if key, ok := key(k); ok {
			m[key] = i
		}
	}
	return m
}

// kindNamed returns the kind that api calls name. Where v1 does not know it, Flex may, and the other way round: their
// webhooks look alike, and may be pointed at each other's route.
func kindNamed(api API, name string) Kind {
	other := api
	switch api {
	case participants.Conversations:
		other = participants.Flex
	case participants.Flex:
		other = participants.Conversations
	}
	for _, a := range [...]API{api, other} {
		if i, ok := byName[named{a, name}]; ok {
			return table[i]
		}
	}
	return unknownKind(api)
}

// kindStreamed returns the kind for an Event Streams type.
func kindStreamed(name string) Kind {
	if i, ok := byStream[name]; ok {
		return table[i]
	}
	return unknownKind(participants.Conversations)
}
