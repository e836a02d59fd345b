package enrich

import (
	"context"
	"fmt"
	"iter"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// call is one question to Twilio. Events whose calls are equal share an answer.
type call struct {
	lookup  events.Lookup
	account validation.SID
	within  string // the conversation, or the interaction
	id      string // the channel, or the participant; "" for a conversation's list
}

// answer is what stands after a call: participants, or a verdict that is not verdictUse.
type answer struct {
	verdict      verdict
	participants []participants.Participant // shared by every event that waited for it: read only
	began        time.Time
	failure      *participants.Error
}

// holdKey is what holds the call up while Twilio refuses its credentials.
func (c call) holdKey() holdKey {
	k := holdKey{account: c.account, api: participants.Conversations}
	switch c.lookup {
	case events.LookupChannel:
		k.api = participants.Flex
	case events.LookupV2, events.LookupParticipants:
		k.api = participants.Orchestrator
	}
	return k
}

// callsOf yields the calls that enrich e: none, one, or one for each participant that a v2 event names.
func callsOf(e *events.Event) iter.Seq[call] {
	return func(yield func(call) bool) {
		switch lookup := e.Kind().Lookup; lookup {
		case events.LookupConversation:
			yield(call{lookup: lookup, account: e.Account, within: string(e.Refs.ConversationSID)})
		case events.LookupChannel:
			yield(call{lookup: lookup, account: e.Account, within: string(e.Refs.InteractionSID), id: string(e.Refs.ChannelSID)})
		case events.LookupV2:
			yield(call{lookup: lookup, account: e.Account, within: string(e.Refs.ConversationID)})
		case events.LookupParticipants:
			for _, id := range e.Refs.ParticipantIDs {
				c := call{lookup: lookup, account: e.Account, within: string(e.Refs.ConversationID), id: string(id)}
				if !yield(c) {
					return
				}
			}
		}
	}
}

// countRequests returns ctx for a call, and how many requests have been sent with it so far: more than one where a list has
// several pages, where another path is tried after the first, or where one was sent again on a new connection.
func countRequests(ctx context.Context) (context.Context, *atomic.Int64) {
	sent := new(atomic.Int64)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) },
	}), sent
}

// do makes the call. service is the Conversations service that the conversation may live under, "" when no event names one.
func (c call) do(ctx context.Context, api API, cred participants.Credentials, service validation.SID) ([]participants.Participant, error) {
	switch c.lookup {
	case events.LookupConversation:
		return api.ListConversation(ctx, cred, validation.SID(c.within), service)
	case events.LookupChannel:
		return api.ListChannel(ctx, cred, validation.SID(c.within), validation.SID(c.id))
	case events.LookupV2:
		return api.ListV2(ctx, cred, validation.V2ID(c.within))
	case events.LookupParticipants:
		p, err := api.FetchV2(ctx, cred, validation.V2ID(c.within), validation.V2ID(c.id))
		return []participants.Participant{p}, err
	default:
		return nil, fmt.Errorf("look up %s: no such lookup", c.lookup)
	}
}
