package events_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestParseEveryKindOfEveryFeed(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			e := parseOne(t, s.delivery)
			if e.API != s.kind.API || e.Resource != s.kind.Resource || e.Action != s.kind.Action {
				t.Errorf("got %s.%s.%s, want %s.%s.%s", e.API, e.Resource, e.Action, s.kind.API, s.kind.Resource, s.kind.Action)
			}
			if e.PreAction != s.kind.Pre {
				t.Errorf("pre-action: got %t, want %t", e.PreAction, s.kind.Pre)
			}
			wantName := s.kind.Name
			if s.delivery.Feed == events.FeedEventStreams {
				wantName = s.kind.Stream
			}
			if e.Name != wantName || e.Feed != s.delivery.Feed || e.Account != account || !e.ReceivedAt.Equal(received) {
				t.Errorf("got %s, %s of %s at %s, want %s, %s of %s at %s",
					e.Name, e.Feed, e.Account, e.ReceivedAt, wantName, s.delivery.Feed, account, received)
			}
			if got := e.Kind(); !reflect.DeepEqual(got, s.kind) {
				t.Errorf("kind: got %+v, want %+v", got, s.kind)
			}
		})
	}
}

func TestSamplesCoverEveryDocumentedWebhook(t *testing.T) {
	for _, k := range events.Kinds() {
		if k.API != participants.Orchestrator && k.Name != "" && len(fieldsOf(k)) == 0 {
			t.Errorf("%s: no sample", k.Name)
		}
	}
}

func TestParseKeepsAFormWhole(t *testing.T) {
	for _, k := range events.Kinds() {
		if k.API == participants.Orchestrator || k.Name == "" {
			continue
		}
		want := form(k)
		want.Set("NewField", "x")
		want["Twice"] = []string{"b", "a", "b"}
		e := parseOne(t, formDelivery(events.Feed(k.API), want.Encode()))
		if got := formOf(t, e.Payload); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", k.Name, got, want)
		}
	}
}

// formOf reads a payload that came as a form back into its fields.
func formOf(t *testing.T, payload json.RawMessage) url.Values {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal(payload, &f); err != nil {
		t.Fatal(err)
	}
	v := url.Values{}
	for name, value := range f {
		switch value := value.(type) {
		case string:
			v.Add(name, value)
		case []any:
			for _, one := range value {
				v.Add(name, one.(string))
			}
		default:
			t.Errorf("%s: got %T, want a string or an array", name, value)
		}
	}
	return v
}

func TestParseFixtures(t *testing.T) {
	tests := []struct {
		file     string
		feed     events.Feed
		subject  string
		occurred string
		refs     events.Refs
		contains string
	}{
		{
			"good_on_message_added_captured.form", events.FeedConversations,
			"rollcall.raw.conversations.message.added." + chat, created,
			events.Refs{
				ConversationSID: chat, ParticipantSID: "MB0123456789abcdef0123456789abcdef", MessageSID: "IM0123456789abcdef0123456789abcdef",
				ChatServiceSID: "IS0123456789abcdef0123456789abcdef", MessagingServiceSID: "MG0123456789abcdef0123456789abcdef",
			}, `"Author":"+18005550100"`,
		},
		{
			"good_on_participant_joined.form", events.FeedFlex,
			"rollcall.raw.flex.participant.joined." + channel, "",
			events.Refs{
				InteractionSID: interaction, ChannelSID: channel, ParticipantSID: "UT0123456789abcdef0123456789abcdef",
				InstanceSID: "GO0123456789abcdef0123456789abcdef", TaskSID: "WT0123456789abcdef0123456789abcdef", MediaChannelSID: chat,
			}, `"FlexInstanceSid"`,
		},
		{
			"good_participant_added.orchestrator.json", events.FeedOrchestrator,
			"rollcall.raw.orchestrator.participant.added." + conv, "2025-11-18T00:00:01Z",
			events.Refs{ConversationID: conv, ParticipantIDs: []validation.V2ID{customer}}, `"channelId":null`,
		},
		{
			"good_participant_added.event-streams.json", events.FeedEventStreams,
			"rollcall.raw.conversations.participant.added." + chat, "2026-06-10T06:02:54Z",
			events.Refs{
				ConversationSID: chat, ParticipantSID: "MB0123456789abcdef0123456789abcdef", RoleSID: "RL0123456789abcdef0123456789abcdef",
			}, `"Level":"cc"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			d := formDelivery(tt.feed, string(body))
			if strings.HasSuffix(tt.file, ".json") {
				d = jsonDelivery(tt.feed, body)
			}
			e := parseOne(t, d)
			if got := e.Subject(events.StageRaw); got != tt.subject {
				t.Errorf("subject: got %s, want %s", got, tt.subject)
			}
			if !reflect.DeepEqual(e.Refs, tt.refs) {
				t.Errorf("refs: got %+v, want %+v", e.Refs, tt.refs)
			}
			wantTime(t, e.OccurredAt, tt.occurred)
			if !strings.Contains(string(e.Payload), tt.contains) {
				t.Errorf("payload: got %s, want it to contain %s", e.Payload, tt.contains)
			}
		})
	}
}

func TestParseCommunicationNamesItsParticipants(t *testing.T) {
	k, _ := events.KindOf(participants.Orchestrator, "communication", "created")
	e := parseOne(t, jsonDelivery(events.FeedOrchestrator, orchestrator(k)))
	want := events.Refs{
		ConversationID: conv, CommunicationID: "conv_communication_01k1etx3jbfx88476ccja0889c",
		ParticipantIDs: []validation.V2ID{customer, agent},
	}
	if !reflect.DeepEqual(e.Refs, want) {
		t.Errorf("got %+v, want %+v", e.Refs, want)
	}

	body := toJSON(map[string]any{"eventType": k.Name, "data": map[string]any{
		"id": "conv_communication_1", "conversationId": conv, "accountId": account, "author": nil, "recipients": []any{"x", nil, map[string]any{"participantId": nil}},
	}})
	if e := parseOne(t, jsonDelivery(events.FeedOrchestrator, body)); len(e.Refs.ParticipantIDs) != 0 {
		t.Errorf("got %v, want no participants", e.Refs.ParticipantIDs)
	}
}

func TestParseConversationNamedEitherWay(t *testing.T) {
	for _, data := range []string{`"id":"` + conv + `"`, `"conversationId":"` + conv + `"`, `"id":"` + conv + `","conversationId":"other"`} {
		e := parseOne(t, jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"CONVERSATION_UPDATED","data":{`+data+`}}`)))
		if e.Refs.ConversationID != conv {
			t.Errorf("%s: got %s, want %s", data, e.Refs.ConversationID, conv)
		}
	}
}

func jsonValue(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseKeepsNothingOfTheDelivery(t *testing.T) {
	for _, body := range []string{"EventType=onNew&X=whole", "EventType=%zz"} {
		d := formDelivery(events.FeedConversations, body)
		accepted, rejected := events.Parse(d)
		before := string(toJSON([]any{accepted, rejected}))
		copy(d.Body, strings.Repeat("?", len(d.Body)))
		if after := string(toJSON([]any{accepted, rejected})); after != before {
			t.Errorf("got %s after the body changed, want %s", after, before)
		}
	}
}
