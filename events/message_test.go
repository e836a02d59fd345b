package events_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

func TestParseTellsV1FromFlexByIdentifiers(t *testing.T) {
	v1, _ := events.KindOf(participants.Conversations, "participant", "updated")
	flex, _ := events.KindOf(participants.Flex, "participant", "updated")
	joined, _ := events.KindOf(participants.Flex, "participant", "joined")
	added, _ := events.KindOf(participants.Conversations, "conversation", "add")
	both := form(flex)
	both.Set("ConversationSid", chat)
	tests := []struct {
		name string
		feed events.Feed
		form url.Values
		want string
	}{
		{"both on the flex route", events.FeedFlex, both, "rollcall.raw.flex.participant.updated." + chat},
		{"both on the v1 route", events.FeedConversations, both, "rollcall.raw.conversations.participant.updated." + chat},
		{"v1 on its route", events.FeedConversations, form(v1), "rollcall.raw.conversations.participant.updated." + chat},
		{"v1 on the flex route", events.FeedFlex, form(v1), "rollcall.raw.conversations.participant.updated." + chat},
		{"flex on its route", events.FeedFlex, form(flex), "rollcall.raw.flex.participant.updated." + channel},
		{"flex on the v1 route", events.FeedConversations, form(flex), "rollcall.raw.flex.participant.updated." + channel},
		{"flex alone on the v1 route", events.FeedConversations, form(joined), "rollcall.raw.flex.participant.joined." + channel},
		{"v1 without identifiers on the flex route", events.FeedFlex, form(added), "rollcall.raw.conversations.conversation.add." + account},
		{
			"unknown with an interaction on the v1 route", events.FeedConversations,
			url.Values{"EventType": {"onNew"}, "AccountSid": {account}, "InteractionSid": {interaction}},
			"rollcall.raw.flex.unknown.unknown." + account,
		},
		{
			"unknown with a conversation on the flex route", events.FeedFlex,
			url.Values{"EventType": {"onNew"}, "AccountSid": {account}, "ConversationSid": {chat}},
			"rollcall.raw.conversations.unknown.unknown." + chat,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := parseOne(t, formDelivery(tt.feed, tt.form.Encode()))
			if got := e.Subject(events.StageRaw); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if e.Feed != tt.feed {
				t.Errorf("feed: got %s, want %s", e.Feed, tt.feed)
			}
		})
	}
}

func TestParseJSONOnAFormRoute(t *testing.T) {
	body := toJSON(map[string]any{
		"EventType": "onParticipantJoined", "AccountSid": account, "InteractionSid": interaction, "ChannelSid": channel,
		"ParticipantSid": "UT0123456789abcdef0123456789abcdef", "Depth": map[string]any{"n": json.Number("12345678901234567890.10")},
	})
	e := parseOne(t, jsonDelivery(events.FeedFlex, body))
	if got, want := e.Subject(events.StageRaw), "rollcall.raw.flex.participant.joined."+channel; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := `"Depth":{"n":12345678901234567890.10}`; !strings.Contains(string(e.Payload), want) {
		t.Errorf("got %s, want it to contain %s", e.Payload, want)
	}
}

func TestParseUnknownTypesPassWithTheirFieldsWhole(t *testing.T) {
	long := strings.Repeat("é", events.MaxName)
	tests := []struct {
		name     string
		delivery events.Delivery
		want     string
		wantName string
	}{
		{
			"v1", formDelivery(events.FeedConversations, "EventType=onNew&AccountSid="+account+"&ConversationSid="+chat+"&X=1"),
			"conversations.unknown.unknown." + chat, "onNew",
		},
		{
			"identifiers of another shape", formDelivery(events.FeedFlex, "EventType=onNew&AccountSid=me&InteractionSid=x.*.%3E&X=1"),
			"flex.unknown.unknown." + account, "onNew",
		},
		{
			"subject characters", formDelivery(events.FeedConversations, "EventType=x.*.%3E&AccountSid="+account+"&X=1"),
			"conversations.unknown.unknown." + account, "x.*.>",
		},
		{
			"a long name", formDelivery(events.FeedConversations, "EventType=a"+long+"&AccountSid="+account+"&X=1"),
			"conversations.unknown.unknown." + account, "a" + strings.Repeat("é", events.MaxName/2-1),
		},
		{
			"v2", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"NEW","data":{"accountId":"`+account+`","conversationId":"`+conv+`","X":"1"}}`)),
			"orchestrator.unknown.unknown." + conv, "NEW",
		},
		{
			"v2 without data", jsonDelivery(events.FeedOrchestrator, []byte(`{"eventType":"NEW","X":"1"}`)),
			"orchestrator.unknown.unknown." + account, "NEW",
		},
		{
			"another product's stream", jsonDelivery(events.FeedEventStreams, []byte(`[{"type":"com.twilio.taskrouter.x","id":"EZ1","data":{"account_sid":"`+account+`","X":"1"}}]`)),
			"conversations.unknown.unknown." + account, "com.twilio.taskrouter.x",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := parseOne(t, tt.delivery)
			if got, want := e.Subject(events.StageRaw), "rollcall.raw."+tt.want; got != want {
				t.Errorf("subject: got %s, want %s", got, want)
			}
			if e.Name != tt.wantName {
				t.Errorf("name: got %q, want %q", e.Name, tt.wantName)
			}
			if !strings.Contains(string(e.Payload), `"X":"1"`) {
				t.Errorf("payload: got %s, want it whole", e.Payload)
			}
			if _, err := events.EncodeRaw(e); err != nil {
				t.Error(err)
			}
		})
	}
}
