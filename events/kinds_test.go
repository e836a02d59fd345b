package events_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
)

// wantKinds is the table as Twilio's pages have it: webhook, Event Streams type, subject tokens,
// lookup, then "pre", "removal" and what it requires.
var wantKinds = strings.TrimSpace(`
onConversationAdd - conversations.conversation.add none pre
onConversationAdded conversation.added conversations.conversation.added conversation conversation_sid
onConversationUpdate - conversations.conversation.update conversation pre conversation_sid
onConversationUpdated conversation.updated conversations.conversation.updated conversation conversation_sid
onConversationRemove - conversations.conversation.remove conversation pre removal conversation_sid
onConversationRemoved conversation.removed conversations.conversation.removed conversation removal conversation_sid
onConversationStateUpdated conversation-state.updated conversations.conversation.state_updated conversation conversation_sid
onParticipantAdd - conversations.participant.add conversation pre conversation_sid
onParticipantAdded participant.added conversations.participant.added conversation conversation_sid participant_sid
onParticipantUpdate - conversations.participant.update conversation pre conversation_sid participant_sid
onParticipantUpdated participant.updated conversations.participant.updated conversation conversation_sid participant_sid
onParticipantRemove - conversations.participant.remove conversation pre removal conversation_sid participant_sid
onParticipantRemoved participant.removed conversations.participant.removed conversation removal conversation_sid participant_sid
onMessageAdd - conversations.message.add conversation pre conversation_sid
onMessageAdded message.added conversations.message.added conversation conversation_sid message_sid
onMessageUpdate - conversations.message.update conversation pre conversation_sid message_sid
onMessageUpdated message.updated conversations.message.updated conversation conversation_sid message_sid
onMessageRemove - conversations.message.remove conversation pre conversation_sid message_sid
onMessageRemoved message.removed conversations.message.removed conversation conversation_sid message_sid
onDeliveryUpdated - conversations.delivery.updated conversation conversation_sid message_sid
onUserAdded user.added conversations.user.added none user_sid
onUserUpdate - conversations.user.update none pre user_sid
onUserUpdated user.updated conversations.user.updated none user_sid
- com.twilio.eventstreams.test-event conversations.stream.tested none
onInteractionCreated - flex.interaction.created none interaction_sid
onChannelCreated - flex.channel.created channel interaction_sid channel_sid
onChannelStatusUpdated - flex.channel.status_updated channel interaction_sid channel_sid
onChannelCreateFailed - flex.channel.create_failed none
onParticipantJoined - flex.participant.joined channel interaction_sid channel_sid participant_sid
onParticipantUpdated - flex.participant.updated channel interaction_sid channel_sid participant_sid
onParticipantLeft - flex.participant.left channel removal interaction_sid channel_sid participant_sid
CONVERSATION_CREATED - orchestrator.conversation.created v2-conversation conversation_id
CONVERSATION_UPDATED - orchestrator.conversation.updated v2-conversation conversation_id
PARTICIPANT_ADDED - orchestrator.participant.added participants conversation_id participant_ids
PARTICIPANT_UPDATED - orchestrator.participant.updated participants conversation_id participant_ids
PARTICIPANT_REMOVED - orchestrator.participant.removed participants removal conversation_id participant_ids
COMMUNICATION_CREATED - orchestrator.communication.created participants conversation_id communication_id
COMMUNICATION_UPDATED - orchestrator.communication.updated participants conversation_id communication_id
`)

func TestKindsAreWhatTwilioDocuments(t *testing.T) {
	var got []string
	for _, k := range events.Kinds() {
		got = append(got, kindLine(k))
	}
	want := strings.Split(wantKinds, "\n")
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("got a row that is not documented: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no row: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
}

func kindLine(k events.Kind) string {
	words := []string{
		orDash(k.Name), orDash(strings.TrimPrefix(k.Stream, "com.twilio.conversations.")),
		fmt.Sprintf("%s.%s.%s", k.API, k.Resource, k.Action), string(k.Lookup),
	}
	if k.Pre {
		words = append(words, "pre")
	}
	if k.Removal {
		words = append(words, "removal")
	}
	return strings.Join(append(words, k.Requires...), " ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func TestKindOf(t *testing.T) {
	for _, want := range events.Kinds() {
		got, ok := events.KindOf(want.API, want.Resource, want.Action)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("KindOf(%s, %s, %s): got %+v, %t, want %+v", want.API, want.Resource, want.Action, got, ok, want)
		}
	}
	if k, ok := events.KindOf("conversations", "participant", "joined"); ok {
		t.Errorf("got %+v, want none", k)
	}
	if k, ok := events.KindOf("conversations", events.Unknown, events.Unknown); ok {
		t.Errorf("got %+v, want none: unknown is no row", k)
	}
}

func TestKindsAreTheCallersToKeep(t *testing.T) {
	for _, k := range events.Kinds() {
		for i := range k.Requires {
			k.Requires[i] = "changed"
		}
	}
	for _, k := range events.Kinds() {
		if slices.Contains(k.Requires, "changed") {
			t.Fatalf("%s: a caller's change reached the table", kindLine(k))
		}
	}
}

func TestRequiredIdentifiersAreRefs(t *testing.T) {
	refs := reflect.TypeFor[events.Refs]()
	var names []string
	for field := range refs.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	for _, k := range events.Kinds() {
		for _, name := range k.Requires {
			if !slices.Contains(names, name) {
				t.Errorf("%s: requires %s, which is no identifier of Refs", kindLine(k), name)
			}
		}
	}
}

func TestUnknownEventHasAKindThatNeedsNothing(t *testing.T) {
	e := events.Event{API: "flex", Resource: "unknown", Action: "unknown"}
	want := events.Kind{API: "flex", Resource: events.Unknown, Action: events.Unknown, Lookup: events.LookupNone}
	if got := e.Kind(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
