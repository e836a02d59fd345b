package events

import "github.com/rollcall-events/rollcall/participants"

// API is the api token of a subject: the API an event belongs to.
type API = participants.API

// Feed is how an event reached us: one of the five wire formats. Pre- and
// post-action v1 webhooks share a route and differ in their Kind.
type Feed string

// The feeds. Each is also the last segment of its webhook route.
const (
	FeedConversations Feed = "conversations"
	FeedFlex          Feed = "flex"
	FeedOrchestrator  Feed = "orchestrator"
	FeedEventStreams  Feed = "event-streams"
)

// api is what an event of the feed belongs to when nothing else says so.
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

// Lookup names the call that enriches an event: a closed list.
type Lookup string

// The lookups.
const (
	LookupNone         Lookup = "none"            // nothing to look up: the event passes through saying so
	LookupConversation Lookup = "conversation"    // v1 list of the conversation's participants
	LookupChannel      Lookup = "channel"         // Flex list of the channel's participants
	LookupParticipants Lookup = "participants"    // v2 fetch of each participant that the event names
	LookupV2           Lookup = "v2-conversation" // v2 list of the conversation's participants
)

// Kind is one row of the table of everything Twilio sends: what it is called, on
// the wire and in subjects, what it must carry and how it is enriched.
type Kind struct {
	API      API
	Resource string   // subject token: "message", "participant", …
	Action   string   // subject token: "added", "add" for the pre-action, "state_updated", …
	Name     string   // the webhook's own name: "onMessageAdded", "PARTICIPANT_ADDED"; "" when only streamed
	Stream   string   // Event Streams type; "" when it is never streamed
	Pre      bool     // a pre-action: the answer decides whether the user's action goes ahead
	Removal  bool     // a 404 for it means gone, not failed; of a pre-action too: we look while the removal goes ahead, and what stays is found
	Requires []string // Refs fields, by json name, without which the event cannot be believed
	Lookup   Lookup
}

// Unknown is the resource and action token of an event whose type is not in the table. As an
// api token it occurs at StageDead alone: for a raw message that is not one of ours.
const Unknown = "unknown"

// Kinds returns the whole table, in a stable order. The caller may keep it.
func Kinds() []Kind {
	kinds := make([]Kind, len(table))
	for i, k := range table {
		kinds[i] = k.clone()
	}
	return kinds
}

// KindOf returns the row for api, resource and action; false for a type that is not in the table.
func KindOf(api API, resource, action string) (Kind, bool) {
	i, ok := byTokens[tokens{api, resource, action}]
	if !ok {
		return Kind{}, false
	}
	return table[i].clone(), true
}

// known reports whether k is a row of the table.
func (k Kind) known() bool { return k.Resource != Unknown }

func (k Kind) clone() Kind {
	k.Requires = append([]string(nil), k.Requires...)
	return k
}

func unknownKind(api API) Kind {
	return Kind{API: api, Resource: Unknown, Action: Unknown, Lookup: LookupNone}
}
