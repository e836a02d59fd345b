package events

import "github.com/rollcall-events/rollcall/participants"

// API is the Twilio API that an event belongs to, and the api token of its subject.
type API = participants.API

// Feed is the Twilio product that sent an event: a closed list.
type Feed string

// The feeds. Each is also the last segment of its webhook route.
const (
	FeedConversations Feed = "conversations" // v1 Conversations webhooks, pre- and post-action
	FeedFlex          Feed = "flex"          // Flex Interactions webhooks
	FeedOrchestrator  Feed = "orchestrator"  // v2 Conversations (Orchestrator) webhooks
	FeedEventStreams  Feed = "event-streams" // Event Streams webhook sinks
)

// api is the API that the feed's events belong to when nothing else tells.
func (f Feed) api() API {
	switch f {
	case FeedConversations, FeedEventStreams:
		return participants.Conversations
	case FeedFlex:
		return participants.Flex
	case FeedOrchestrator:
		return participants.Orchestrator
	default:
		return Unknown
	}
}

// Lookup names the call to Twilio that an event's roster comes from: a closed list.
type Lookup string

// The lookups.
const (
	LookupNone         Lookup = "none"            // none: the event has nobody to look up
	LookupConversation Lookup = "conversation"    // v1 list of the conversation's participants
	LookupChannel      Lookup = "channel"         // Flex list of the channel's participants
	LookupParticipants Lookup = "participants"    // v2 fetch of each participant that the event names
	LookupV2           Lookup = "v2-conversation" // v2 list of the conversation's participants
)

// Kind is one type of event that Twilio documents: what it is called, on the wire and in subjects, what it must
// carry and how it is enriched.
type Kind struct {
	API      API
	Resource string   // subject token: "message", "participant", …
	Action   string   // subject token: "added", "add" for the pre-action, "state_updated", …
	Name     string   // the webhook's name: "onMessageAdded", "PARTICIPANT_ADDED"; "" when it is only streamed
	Stream   string   // Event Streams type: "com.twilio.conversations.message.added"; "" when it is never streamed
	Pre      bool     // a pre-action: the answer to the webhook decides whether the user's action goes ahead
	Removal  bool     // a 404 from the lookup means RosterGone, not a failure; for pre-actions too, as the removal may be over before the lookup
	Requires []string // json names of the fields of Refs that must not be empty
	Lookup   Lookup
}

// Unknown is the resource and the action of an event whose type is not among Kinds. As the api token of a subject
// it occurs at StageDead only, for a raw message that is not one of ours.
const Unknown = "unknown"

// Kinds returns every kind that Twilio documents for the feeds, in a stable order. The slice is the caller's.
func Kinds() []Kind {
	kinds := make([]Kind, len(table))
	for i, k := range table {
		kinds[i] = k.clone()
	}
	return kinds
}

// KindOf returns the kind with these tokens; false when there is none.
func KindOf(api API, resource, action string) (Kind, bool) {
	i, ok := byTokens[tokens{api, resource, action}]
	if !ok {
		return Kind{}, false
	}
	return table[i].clone(), true
}

// known reports whether k is one of Kinds.
func (k Kind) known() bool { return k.Resource != Unknown }

func (k Kind) clone() Kind {
	k.Requires = append([]string(nil), k.Requires...)
	return k
}

func unknownKind(api API) Kind {
	return Kind{API: api, Resource: Unknown, Action: Unknown, Lookup: LookupNone}
}
