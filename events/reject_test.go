package events_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

func TestParseInvalid(t *testing.T) {
	message := "EventType=onMessageAdded&AccountSid=" + account
	ids := "&ConversationSid=" + chat + "&MessageSid=IM0123456789abcdef0123456789abcdef"
	tests := []struct {
		name     string
		delivery events.Delivery
		problems string
		subject  string
	}{
		{"no type", formDelivery(events.FeedConversations, "A=1"), "EventType: required", "conversations.unknown.unknown." + account},
		{"empty body", formDelivery(events.FeedFlex, ""), "EventType: required", "flex.unknown.unknown." + account},
		{"two types", formDelivery(events.FeedConversations, "EventType=a&EventType=b"), "EventType: string", "conversations.unknown.unknown." + account},
		{"no v2 type", jsonDelivery(events.FeedOrchestrator, []byte(`{"EventType":"x"}`)), "eventType: required", "orchestrator.unknown.unknown." + account},
		{"a v2 type that is a number", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":1}`)), "eventType: string", "orchestrator.unknown.unknown." + account},
		{
			"nothing that it requires", formDelivery(events.FeedConversations, message),
			"conversation_sid: required; message_sid: required", "conversations.message.added." + account,
		},
		{
			"a malformed SID", formDelivery(events.FeedConversations, message+ids+"x"),
			"message_sid: sid=IM", "conversations.message.added." + chat,
		},
		{
			"a SID of another kind", formDelivery(events.FeedConversations, message+"&MessageSid=IM0123456789abcdef0123456789abcdef&ConversationSid="+user),
			"conversation_sid: sid=CH", "conversations.message.added." + account,
		},
		{
			"a malformed SID that it does not require", formDelivery(events.FeedConversations, message+ids+"&RoleSid=RL*"),
			"role_sid: sid=RL", "conversations.message.added." + chat,
		},
		{
			"two conversations", formDelivery(events.FeedConversations, message+ids+"&ConversationSid="+chat),
			"conversation_sid: string", "conversations.message.added." + account,
		},
		{
			"a malformed account", formDelivery(events.FeedConversations, "EventType=onMessageAdded&AccountSid=AC1"+ids),
			"AccountSid: sid=AC", "conversations.message.added." + chat,
		},
		{
			"two accounts", formDelivery(events.FeedConversations, message+ids+"&AccountSid="+account),
			"AccountSid: string", "conversations.message.added." + chat,
		},
		{
			"v2 without data", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"PARTICIPANT_ADDED","data":"x"}`)),
			"conversation_id: required; participant_ids: required", "orchestrator.participant.added." + account,
		},
		{
			"malformed v2 identifiers",
			jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"COMMUNICATION_CREATED","data":{"id":"a b","conversationId":"x.>","author":{"participantId":"*"},"accountId":"`+account+`"}}`)),
			"conversation_id: v2id; communication_id: v2id; participant_ids[0]: v2id", "orchestrator.communication.created." + account,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := rejectOne(t, tt.delivery)
			if l.Reason != events.ReasonInvalid || l.Problems.Error() != tt.problems {
				t.Errorf("got %s: %s, want invalid: %s", l.Reason, l.Problems, tt.problems)
			}
			if got, want := l.Subject(), "rollcall.dead."+tt.subject; got != want {
				t.Errorf("subject: got %s, want %s", got, want)
			}
			if b, err := events.EncodeDead(l); err != nil {
				t.Error(err)
			} else if _, err := events.DecodeDead(b); err != nil {
				t.Error(err)
			}
		})
	}
}

// A v2 event costs a call to Twilio for each participant that it names: of too many it is refused, with one problem however many they are.
func TestParseBoundsTheParticipantsOfAnEvent(t *testing.T) {
	recipients := func(format string, n int) string {
		var all strings.Builder
		for i := range n {
			for range 2 { // each twice, which counts once
				fmt.Fprintf(&all, `,{"participantId":"`+format+`"}`, i)
			}
		}
		return all.String()
	}
	deliver := func(recipients string) events.Delivery {
		return jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"COMMUNICATION_CREATED","data":{"id":"conv_communication_1","conversationId":"`+conv+
			`","accountId":"`+account+`","author":{"participantId":"`+customer+`"},"recipients":[{}`+recipients+`]}}`))
	}
	e := parseOne(t, deliver(recipients("conv_participant_%d", events.MaxParticipants-1)))
	if ids := e.Refs.ParticipantIDs; len(ids) != events.MaxParticipants || ids[0] != customer || ids[1] != "conv_participant_0" || ids[events.MaxParticipants-1] != "conv_participant_998" {
		t.Errorf("got %d participants, want the author and every recipient once, in order", len(ids))
	}
	for name, many := range map[string]string{
		"one more": recipients("conv_participant_%d", events.MaxParticipants), "all malformed": recipients("*%d", 10*events.MaxParticipants),
	} {
		l := rejectOne(t, deliver(many))
		if l.Reason != events.ReasonInvalid || l.Problems.Error() != "participant_ids: max=1000" || len(l.Event.Refs.ParticipantIDs) != 0 || l.Event.Refs.ConversationID != conv {
			t.Errorf("%s: got %s: %d problems, %.100s, want invalid: participant_ids: max=1000", name, l.Reason, len(l.Problems), l.Problems.Error())
		}
	}
	e.Refs.ParticipantIDs = append(e.Refs.ParticipantIDs, agent)
	if _, err := events.EncodeRaw(e); err == nil || !strings.Contains(err.Error(), "participant_ids: max=1000") {
		t.Errorf("EncodeRaw: got %v, want participant_ids: max=1000", err)
	}
}

func TestParseUnparseable(t *testing.T) {
	deep := strings.Repeat("[", events.MaxDepth) + strings.Repeat("]", events.MaxDepth)
	tests := []struct {
		name     string
		delivery events.Delivery
		detail   string
	}{
		{"percent", formDelivery(events.FeedConversations, "EventType=%zz"), "malformed percent-encoding in a form"},
		{"percent in a name", formDelivery(events.FeedConversations, "%=1"), "malformed percent-encoding in a form"},
		{"bytes", formDelivery(events.FeedConversations, "EventType=onNew&Body=%ff"), "not valid UTF-8"},
		{"fields", formDelivery(events.FeedFlex, strings.Repeat("a=b&", events.MaxFields)), "too many fields in a form"},
		{"query", events.Delivery{Feed: events.FeedConversations, Method: http.MethodGet, Query: "EventType=%", Signer: []validation.SID{account}, ReceivedAt: received}, "malformed percent-encoding in a form"},
		{"no JSON", jsonDelivery(events.FeedOrchestrator, nil), "malformed JSON"},
		{"form for JSON", jsonDelivery(events.FeedOrchestrator, []byte("eventType=x")), "malformed JSON"},
		{"cut", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"x"`)), "malformed JSON"},
		{"cut in a list", jsonDelivery(events.FeedOrchestrator, []byte(`{"a":[1`)), "malformed JSON"},
		{"cut in a name", jsonDelivery(events.FeedOrchestrator, []byte(`{"a`)), "malformed JSON"},
		{"a number for a name", jsonDelivery(events.FeedOrchestrator, []byte(`{1:2}`)), "malformed JSON"},
		{"more than one value", jsonDelivery(events.FeedOrchestrator, []byte(`{} {}`)), "malformed JSON"},
		{"a key twice", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"x","data":{"id":"1","id":"2"}}`)), "a JSON object names one key twice"},
		{"bytes in JSON", jsonDelivery(events.FeedOrchestrator, []byte("{\"eventType\":\"\xff\"}")), "not valid UTF-8"},
		{"depth", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"x","data":`+deep+`}`)), "JSON nested too deeply"},
		{"array for an object", jsonDelivery(events.FeedOrchestrator, []byte(`[]`)), "not a JSON object"},
		{"text for an array", jsonDelivery(events.FeedEventStreams, []byte(`"x"`)), "not a JSON array of objects"},
		{"no JSON for an array", jsonDelivery(events.FeedEventStreams, []byte(`x`)), "malformed JSON"},
		{"batch", jsonDelivery(events.FeedEventStreams, []byte("["+strings.Repeat("{},", events.MaxBatch)+"{}]")), "too many CloudEvents in one body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := rejectOne(t, tt.delivery)
			if l.Reason != events.ReasonUnparseable || l.Detail != tt.detail {
				t.Errorf("got %s: %s, want unparseable: %s", l.Reason, l.Detail, tt.detail)
			}
			want := tt.delivery.Body
			if tt.delivery.Method == http.MethodGet {
				want = []byte(tt.delivery.Query)
			}
			if string(l.Body) != string(want) || l.Event != nil {
				t.Errorf("got body %q and event %v, want the body whole", l.Body, l.Event)
			}
			if l.Account != account || l.Feed != tt.delivery.Feed || !l.FailedAt.Equal(received) || l.ContentType != tt.delivery.ContentType {
				t.Errorf("got %s, %s, %s, %s, want what the delivery says", l.Account, l.Feed, l.FailedAt, l.ContentType)
			}
			if again := rejectOne(t, tt.delivery); again.ID != l.ID {
				t.Errorf("got the id %s, then %s, want the same for the same body", l.ID, again.ID)
			}
		})
	}
}

func TestParseAtTheLimits(t *testing.T) {
	deep := strings.Repeat("[", events.MaxDepth-1) + strings.Repeat("]", events.MaxDepth-1)
	e := parseOne(t, jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"x","data":`+deep+`}`)))
	raw, err := events.EncodeRaw(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.DecodeRaw(raw); err != nil {
		t.Error(err)
	}
	parseOne(t, formDelivery(events.FeedConversations, strings.Repeat("a=b&", events.MaxFields-1)+"EventType=onNew"))
}

// What could not be read is kept as it came; of a batch, the item alone.
func TestALetterHoldsWhatItWasReadFrom(t *testing.T) {
	const form, object = "EventType=&a=%41", `{ "eventType": 1 }`
	for name, tt := range map[string]struct {
		delivery events.Delivery
		want     string
	}{
		"form":                 {formDelivery(events.FeedConversations, form), form},
		"query":                {events.Delivery{Feed: events.FeedFlex, Method: "GET", Query: form, ReceivedAt: received}, form},
		"orchestrator":         {jsonDelivery(events.FeedOrchestrator, []byte(object)), object},
		"item":                 {jsonDelivery(events.FeedEventStreams, []byte(`[{"type":1,"data":{"b":[],"a":"x"}}]`)), `{"data":{"a":"x","b":[]},"type":1}`},
		"item, data no object": {jsonDelivery(events.FeedEventStreams, []byte(`{"type":"x","data":7}`)), `{"data":7,"type":"x"}`},
		"item that is none":    {jsonDelivery(events.FeedEventStreams, []byte(`[ 7 ]`)), "7"},
	} {
		letter := rejectOne(t, tt.delivery)
		if letter.Reason != events.ReasonInvalid || letter.Event != nil || string(letter.Body) != tt.want {
			t.Errorf("%s: got %s with body %s, want %s with %s", name, letter.Reason, letter.Body, events.ReasonInvalid, tt.want)
		}
	}
}

func TestWhichBodiesAreReadAsJSON(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/json": true, " Application/JSON ; charset=utf-8": true, "application/vnd.x+JSON": true,
		"application/json; =": false, "application/json, text/plain": false, "text/json": false, "json": false, "": false,
		"application/x-www-form-urlencoded": false, "text/plain; x=application/json": false,
	} {
		d := jsonDelivery(events.FeedConversations, []byte(`{"EventType":"x"}`))
		d.ContentType = contentType
		if accepted, _ := events.Parse(d); (len(accepted) == 1) != want {
			t.Errorf("%q: got %d events, want JSON to be %t", contentType, len(accepted), want)
		}
	}
}
