package events_test

import (
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// A consumer decodes what arrives on the enriched subjects and reads who is there.
func ExampleDecodeEnriched() {
	message := arrived() // the data of a NATS message on rollcall.enriched.>

	e, err := events.DecodeEnriched(message)
	if err != nil {
		fmt.Println("not one of ours:", err)
		return
	}
	fmt.Println(e.Name, "in", e.Refs.ConversationSID)
	for _, p := range e.Roster.Participants {
		fmt.Println("-", p.ID, p.Identity)
	}
	// Output:
	// onMessageAdded in CH0123456789abcdef0123456789abcdef
	// - MB0123456789abcdef0123456789abcdef alice
}

// arrived is a message as the enricher publishes it.
func arrived() []byte {
	accepted, _ := events.Parse(events.Delivery{
		Feed: events.FeedConversations, Method: "POST", ContentType: "application/x-www-form-urlencoded",
		Body: []byte("EventType=onMessageAdded&Body=Hello" +
			"&AccountSid=AC0123456789abcdef0123456789abcdef&ConversationSid=CH0123456789abcdef0123456789abcdef" +
			"&MessageSid=IM0123456789abcdef0123456789abcdef"),
		Signer: []validation.SID{""}, ReceivedAt: time.Date(2025, 9, 17, 22, 23, 12, 0, time.UTC),
	})
	message, err := events.EncodeEnriched(events.Enriched{
		Event: accepted[0],
		Roster: events.Roster{
			Status: events.RosterResolved, Lookup: events.LookupConversation,
			Participants: []participants.Participant{{
				API: participants.Conversations, ID: "MB0123456789abcdef0123456789abcdef", Identity: "alice",
			}},
		},
	})
	if err != nil {
		panic(err)
	}
	return message
}

// What to subscribe to.
func ExamplePattern() {
	fmt.Println(events.Pattern(events.StageEnriched, "", "participant", "", ""))
	fmt.Println(events.Pattern(events.StageEnriched, participants.Flex, "", "", ""))
	fmt.Println(events.Pattern(events.StageEnriched, "", "", "", "CH0123456789abcdef0123456789abcdef"))
	// Output:
	// rollcall.enriched.*.participant.*.*
	// rollcall.enriched.flex.*.*.*
	// rollcall.enriched.*.*.*.CH0123456789abcdef0123456789abcdef
}

// An event of a kind that nobody has heard of yet is an event all the same.
func ExampleParse() {
	accepted, rejected := events.Parse(events.Delivery{
		Feed: events.FeedConversations, Method: "POST", ContentType: "application/x-www-form-urlencoded",
		Body:   []byte("EventType=onReactionAdded&AccountSid=AC0123456789abcdef0123456789abcdef&Emoji=%F0%9F%91%8D"),
		Signer: []validation.SID{"AC0123456789abcdef0123456789abcdef"},
	})
	fmt.Println(accepted[0].Subject(events.StageRaw))
	fmt.Println(string(accepted[0].Payload))
	fmt.Println(len(rejected), "rejected")
	// Output:
	// rollcall.raw.conversations.unknown.unknown.AC0123456789abcdef0123456789abcdef
	// {"AccountSid":"AC0123456789abcdef0123456789abcdef","Emoji":"👍","EventType":"onReactionAdded"}
	// 0 rejected
}
