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
	data := enrichedData() // of a NATS message on rollcall.enriched.>

	e, err := events.DecodeEnriched(data)
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

// The subject that an event arrives on is made of its fields, which say the same once it is decoded.
func ExampleEvent_Subject() {
	e, err := events.DecodeEnriched(enrichedData())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Subject(events.StageEnriched))

	switch e.Resource + "." + e.Action {
	case "message.added":
		fmt.Println("a message, with", len(e.Roster.Participants), "in the conversation")
	case "participant.added", "participant.joined":
		fmt.Println("somebody joined")
	}
	// Output:
	// rollcall.enriched.conversations.message.added.CH0123456789abcdef0123456789abcdef
	// a message, with 1 in the conversation
}

// A dead letter says why its event was not enriched, and holds what Twilio sent.
func ExampleDecodeDead() {
	data := deadData() // of a NATS message on rollcall.dead.>

	d, err := events.DecodeDead(data)
	if err != nil {
		fmt.Println("not one of ours:", err)
		return
	}
	fmt.Println(d.Reason)
	for _, p := range d.Problems {
		fmt.Println("-", p.Field, "breaks", p.Rule)
	}
	if d.Event != nil {
		fmt.Println(d.Event.Name, string(d.Event.Payload))
	} else {
		fmt.Println(d.ContentType, string(d.Body))
	}
	// Output:
	// invalid
	// - conversation_sid breaks sid=CH
	// - message_sid breaks required
	// onMessageAdded {"AccountSid":"AC0123456789abcdef0123456789abcdef","ConversationSid":"CH.*.>","EventType":"onMessageAdded"}
}

// deadData is a message as ingest publishes it.
func deadData() []byte {
	_, rejected := events.Parse(events.Delivery{
		Feed: events.FeedConversations, Method: "POST", ContentType: "application/x-www-form-urlencoded",
		Body:   []byte("EventType=onMessageAdded&AccountSid=AC0123456789abcdef0123456789abcdef&ConversationSid=CH.*.>"),
		Signer: []validation.SID{""}, ReceivedAt: time.Date(2025, 9, 17, 22, 23, 12, 0, time.UTC),
	})
	data, err := events.EncodeDead(rejected[0])
	if err != nil {
		panic(err)
	}
	return data
}

// enrichedData is a message as the enricher publishes it.
func enrichedData() []byte {
	accepted, _ := events.Parse(events.Delivery{
		Feed: events.FeedConversations, Method: "POST", ContentType: "application/x-www-form-urlencoded",
		Body: []byte("EventType=onMessageAdded&Body=Hello" +
			"&AccountSid=AC0123456789abcdef0123456789abcdef&ConversationSid=CH0123456789abcdef0123456789abcdef" +
			"&MessageSid=IM0123456789abcdef0123456789abcdef"),
		Signer: []validation.SID{""}, ReceivedAt: time.Date(2025, 9, 17, 22, 23, 12, 0, time.UTC),
	})
	data, err := events.EncodeEnriched(events.Enriched{
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
	return data
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

// An event of a type that nobody has heard of yet is passed on all the same.
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
