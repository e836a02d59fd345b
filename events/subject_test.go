package events_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

var safe = regexp.MustCompile(`\Arollcall\.(raw|enriched|dead)\.[a-z]+\.[a-z_]+\.[a-z_]+\.[A-Za-z0-9_-]+\z`)

var stages = []events.Stage{events.StageRaw, events.StageEnriched, events.StageDead}

// hostile are values that must not become part of a subject.
var hostile = []string{
	"x.*.>", "*", ">", ".", "..", " ", "a b", "a\nb", "a\r\n", "\x00", "é", "$JS.API.>", chat + ".>", chat + "\n", " " + chat, chat + "*",
	strings.Repeat("a", 1<<16), "rollcall.raw.>", "conv_*", "\u2028", "-", "_",
}

func TestSubjectOfEveryKind(t *testing.T) {
	for _, s := range samples() {
		e := parseOne(t, s.delivery)
		for _, stage := range stages {
			got := e.Subject(stage)
			want := strings.Join([]string{"rollcall", string(stage), string(s.kind.API), s.kind.Resource, s.kind.Action, e.Key()}, ".")
			if got != want || !safe.MatchString(got) {
				t.Errorf("%s: got %s, want %s", s.name, got, want)
			}
		}
	}
}

func TestKey(t *testing.T) {
	tests := []struct {
		name  string
		event events.Event
		want  string
	}{
		{"conversation", events.Event{Account: account, Refs: events.Refs{ConversationSID: chat, ChannelSID: channel, UserSID: user}}, chat},
		{"v2 conversation", events.Event{Account: account, Refs: events.Refs{ConversationID: conv, UserSID: user}}, conv},
		{"channel", events.Event{Account: account, Refs: events.Refs{ChannelSID: channel, UserSID: user, MediaChannelSID: chat}}, channel},
		{"user", events.Event{Account: account, Refs: events.Refs{UserSID: user}}, user},
		{"account", events.Event{Account: account, Refs: events.Refs{InteractionSID: interaction}}, account},
		{"nothing", events.Event{}, "none"},
	}
	for _, tt := range tests {
		if got := tt.event.Key(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSubjectTakesNoTokenFromOutside(t *testing.T) {
	feeds := []events.Feed{events.FeedConversations, events.FeedFlex}
	names := []string{"EventType", "AccountSid", "ConversationSid", "ParticipantSid", "MessageSid", "InteractionSid", "ChannelSid", "UserSid", "MediaChannelSid"}
	for _, value := range hostile {
		for _, name := range names {
			v := messageAdded()
			v.Set(name, value)
			for _, feed := range feeds {
				checkSubjects(t, formDelivery(feed, v.Encode()))
			}
		}
		for _, name := range []string{"eventType", "id", "conversationId", "accountId"} {
			v2 := map[string]any{"id": value, "conversationId": value, "accountId": account, "author": map[string]any{"participantId": value}}
			kind := any("COMMUNICATION_CREATED")
			if name == "eventType" {
				kind = value
			} else {
				v2[name] = value
			}
			checkSubjects(t, jsonDelivery(events.FeedOrchestrator, toJSON(map[string]any{"eventType": kind, "data": v2})))
		}
		item := map[string]any{"type": value, "id": value, "source": value, "data": map[string]any{"ConversationSid": value, "AccountSid": value}}
		checkSubjects(t, jsonDelivery(events.FeedEventStreams, toJSON([]any{item})))
	}
}

// checkSubjects checks whatever a delivery becomes.
func checkSubjects(t interface{ Errorf(string, ...any) }, d events.Delivery) {
	accepted, rejected := events.Parse(d)
	for _, e := range accepted {
		for _, stage := range stages {
			if got := e.Subject(stage); !safe.MatchString(got) {
				t.Errorf("got the subject %q", got)
			}
		}
	}
	for _, l := range rejected {
		if got := l.Subject(); !safe.MatchString(got) {
			t.Errorf("got the subject %q", got)
		}
	}
}

// An event need not come from Parse: whatever is in it, its subject is one of ours.
func TestSubjectOfAnyEvent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.SampledFrom([]string{"", "message", "added", chat}))
		e := events.Event{
			API: events.API(text.Draw(rt, "api")), Resource: text.Draw(rt, "resource"), Action: text.Draw(rt, "action"),
			Account: validation.SID(text.Draw(rt, "account")),
			Refs: events.Refs{
				ConversationSID: validation.SID(text.Draw(rt, "conversation")), ConversationID: validation.V2ID(text.Draw(rt, "v2")),
				ChannelSID: validation.SID(text.Draw(rt, "channel")), UserSID: validation.SID(text.Draw(rt, "user")),
			},
		}
		letter := events.DeadLetter{Feed: events.Feed(text.Draw(rt, "feed")), Account: e.Account}
		for _, got := range []string{e.Subject(events.StageRaw), letter.Subject(), events.DeadLetter{Event: &e}.Subject()} {
			if !safe.MatchString(got) {
				rt.Errorf("got %q", got)
			}
		}
	})
}

func TestSubjectOfAnyForm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := url.Values{}
		names := []string{"EventType", "AccountSid", "ConversationSid", "MessageSid", "InteractionSid", "ChannelSid", "UserSid"}
		text := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.SampledFrom([]string{"onMessageAdded", chat, account, "onUserAdded", user}))
		for _, name := range names {
			v.Set(name, text.Draw(rt, name))
		}
		checkSubjects(rt, formDelivery(events.FeedConversations, v.Encode()))
	})
}

func TestSubjectOfALetterWithoutAnEvent(t *testing.T) {
	tests := []struct {
		letter events.DeadLetter
		want   string
	}{
		{events.DeadLetter{Feed: events.FeedFlex, Account: account}, "rollcall.dead.flex.unknown.unknown." + account},
		{events.DeadLetter{Feed: events.FeedOrchestrator}, "rollcall.dead.orchestrator.unknown.unknown.none"},
		{events.DeadLetter{Feed: events.FeedEventStreams}, "rollcall.dead.conversations.unknown.unknown.none"},
		{events.DeadLetter{}, "rollcall.dead.unknown.unknown.unknown.none"},
	}
	for _, tt := range tests {
		if got := tt.letter.Subject(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct{ got, want string }{
		{events.Pattern(events.StageEnriched, "", "participant", "", ""), "rollcall.enriched.*.participant.*.*"},
		{events.Pattern(events.StageRaw, participants.Flex, "channel", "created", channel), "rollcall.raw.flex.channel.created." + channel},
		{events.Pattern("", "", "", "", chat), "rollcall.*.*.*.*." + chat},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}
