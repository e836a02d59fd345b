package events_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// One identifier of each kind.
const (
	account     = "AC0123456789abcdef0123456789abcdef"
	other       = "ACffffffffffffffffffffffffffffffff"
	interaction = "KD0123456789abcdef0123456789abcdef"
	channel     = "UO0123456789abcdef0123456789abcdef"
	chat        = "CH0123456789abcdef0123456789abcdef"
	user        = "US0123456789abcdef0123456789abcdef"
	conv        = "conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2"
	customer    = "conv_participant_01k1etx3jbfx88476ccja0889c"
	agent       = "conv_participant_01k1etx3jbfx88476ccja0889d"

	created = "2025-09-17T22:23:11.350Z"
	updated = "2025-09-17T22:23:12.350Z"
	removed = "2025-09-17T22:23:13.350Z"
)

var received = time.Date(2025, 9, 17, 22, 23, 14, 5, time.UTC)

// documented are the fields that each webhook is documented to carry.
var documented = map[string]string{
	"onConversationAdd":          "FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid MB MessageBody Media State",
	"onConversationAdded":        "ConversationSid DateCreated DateUpdated FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid MB State",
	"onConversationUpdate":       "ConversationSid DateCreated DateUpdated FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid State",
	"onConversationUpdated":      "ConversationSid DateCreated DateUpdated FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid State",
	"onConversationRemove":       "ConversationSid DateCreated DateUpdated FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid State",
	"onConversationRemoved":      "ConversationSid DateCreated DateUpdated DateRemoved FriendlyName UniqueName Attributes ChatServiceSid MessagingServiceSid State",
	"onConversationStateUpdated": "ConversationSid ChatServiceSid StateUpdated StateFrom StateTo Reason MessagingServiceSid",
	"onParticipantAdd":           "ConversationSid Identity RoleSid Attributes MB",
	"onParticipantAdded":         "ConversationSid ParticipantSid DateCreated Identity RoleSid Attributes MB",
	"onParticipantUpdate":        "ConversationSid ParticipantSid DateCreated DateUpdated Identity RoleSid Attributes MB",
	"onParticipantUpdated":       "ConversationSid ParticipantSid DateCreated DateUpdated Identity RoleSid Attributes MB LastReadMessageIndex",
	"onParticipantRemove":        "ConversationSid ParticipantSid DateCreated DateUpdated Identity RoleSid Attributes MB",
	"onParticipantRemoved":       "ConversationSid ParticipantSid DateCreated DateUpdated DateRemoved Identity RoleSid Attributes MB",
	"onMessageAdd":               "ConversationSid Body Author ParticipantSid Attributes Media",
	"onMessageAdded":             "ConversationSid MessageSid MessagingServiceSid Index DateCreated Body Author ParticipantSid Attributes Media",
	"onMessageUpdate":            "ConversationSid MessageSid Index DateCreated DateUpdated Body Author ParticipantSid Attributes Media",
	"onMessageUpdated":           "ConversationSid MessageSid Index DateCreated DateUpdated Body Author ParticipantSid Attributes Media",
	"onMessageRemove":            "ConversationSid MessageSid Index DateCreated DateUpdated Body Author ParticipantSid Attributes Media",
	"onMessageRemoved":           "ConversationSid MessageSid Index DateCreated DateUpdated DateRemoved Body Author ParticipantSid Attributes Media",
	"onDeliveryUpdated":          "ConversationSid ChatServiceSid MessageSid DeliveryReceiptSid ChannelMessageSid ParticipantSid Status ErrorCode DateCreated DateUpdated",
	"onUserAdded":                "ChatServiceSid UserSid DateCreated Identity RoleSid Attributes FriendlyName",
	"onUserUpdate":               "ChatServiceSid UserSid DateUpdated Identity RoleSid Attributes FriendlyName",
	"onUserUpdated":              "ChatServiceSid UserSid DateCreated DateUpdated Identity RoleSid Attributes FriendlyName isOnline isNotifiable",

	"onInteractionCreated":   "InstanceSid InteractionSid MediaChannelSid MediaChannelType",
	"onChannelCreated":       "InstanceSid InteractionSid MediaChannelSid MediaChannelType ChannelSid",
	"onChannelStatusUpdated": "InstanceSid InteractionSid MediaChannelSid MediaChannelType ChannelSid ChannelStatus",
	"onChannelCreateFailed":  "ErrorCode ErrorMessage MediaChannelType",
	"onParticipantJoined":    "InteractionSid ChannelSid FlexParticipantSid ParticipantType TaskSid MediaChannelSid MediaChannelType",
	"onParticipantLeft":      "InteractionSid ChannelSid FlexParticipantSid ParticipantType TaskSid MediaChannelSid MediaChannelType",
}

// flexUpdated shares its name with a v1 webhook.
const flexUpdated = "InteractionSid ChannelSid FlexParticipantSid ParticipantType TaskSid MediaChannelSid MediaChannelType"

var sampleValues = map[string]string{
	"ConversationSid": chat, "ParticipantSid": "MB0123456789abcdef0123456789abcdef", "MessageSid": "IM0123456789abcdef0123456789abcdef",
	"UserSid": user, "RoleSid": "RL0123456789abcdef0123456789abcdef", "ChatServiceSid": "IS0123456789abcdef0123456789abcdef",
	"MessagingServiceSid": "MG0123456789abcdef0123456789abcdef", "DeliveryReceiptSid": "DY0123456789abcdef0123456789abcdef",
	"ChannelMessageSid": "WA0123456789abcdef0123456789abcdef", "InteractionSid": interaction, "ChannelSid": channel,
	"InstanceSid": "GO0123456789abcdef0123456789abcdef", "TaskSid": "WT0123456789abcdef0123456789abcdef",
	"MediaChannelSid": chat, "MediaChannelType": "whatsapp", "ParticipantType": "customer", "ChannelStatus": "closed",
	"DateCreated": created, "DateUpdated": updated, "DateRemoved": removed, "StateUpdated": updated,
	"StateFrom": "active", "StateTo": "inactive", "State": "active", "Reason": "TIMER", "Status": "read", "ErrorCode": "0",
	"ErrorMessage": "no agent", "Identity": "alice", "Attributes": `{"a":1}`, "Body": "Hello <b> & \u2028 \U0001f600", "Author": "+18005550100",
	"Media": `[{"Sid":"ME0123456789abcdef0123456789abcdef"}]`, "Index": "8", "FriendlyName": "Order 7", "UniqueName": "order-7",
	"LastReadMessageIndex": "7", "MessageBody": "Hi", "isOnline": "true", "isNotifiable": "false",
}

var sampleBinding = map[string]string{
	"Type": "SMS", "Address": "+18005550100", "ProxyAddress": "+18005550101", "ProjectedAddress": "+18005550102",
}

func fieldsOf(k events.Kind) []string {
	if k.Name == "onParticipantUpdated" && k.API == participants.Flex {
		return strings.Fields(flexUpdated)
	}
	return strings.Fields(documented[k.Name])
}

// form is the webhook of a v1 or Flex kind, as its fields.
func form(k events.Kind) url.Values {
	v := url.Values{"EventType": {k.Name}, "AccountSid": {account}, "Source": {"SDK"}, "RetryCount": {"0"}}
	for _, name := range fieldsOf(k) {
		switch name {
		case "MB":
			for part, value := range sampleBinding {
				v.Set("MessagingBinding."+part, value)
			}
		case "FlexParticipantSid":
			v.Set("ParticipantSid", "UT0123456789abcdef0123456789abcdef")
		default:
			v.Set(name, sampleValues[name])
		}
	}
	return v
}

// orchestrator is the webhook of a v2 kind.
func orchestrator(k events.Kind) []byte {
	data := map[string]any{"accountId": account, "createdAt": created, "updatedAt": updated}
	switch k.Resource {
	case "conversation":
		data["id"], data["status"] = conv, "ACTIVE"
	case "participant":
		data["id"], data["conversationId"], data["type"] = customer, conv, "CUSTOMER"
		data["addresses"] = []any{map[string]any{"channel": "SMS", "address": "+12345678901", "channelId": nil}}
	case "communication":
		data["id"], data["conversationId"] = "conv_communication_01k1etx3jbfx88476ccja0889c", conv
		data["author"] = map[string]any{"address": "+12345678901", "channel": "SMS", "participantId": customer}
		data["recipients"] = []any{
			map[string]any{"address": "+12345678902", "channel": "SMS", "participantId": agent},
			map[string]any{"address": "+12345678901", "channel": "SMS", "participantId": customer},
			map[string]any{"address": "+12345678903", "channel": "SMS"},
		}
	}
	return toJSON(map[string]any{"eventType": k.Name, "timestamp": updated, "data": data})
}

// cloudEvent is the streamed item of a kind, its data an object.
func cloudEvent(k events.Kind, id string) map[string]any {
	data := map[string]any{}
	if k.Name != "" {
		data["AccountSid"] = account
		for _, name := range fieldsOf(k) {
			if name == "MB" {
				data["MessagingBinding"] = maps.Clone(sampleBinding)
				continue
			}
			data[name] = sampleValues[name]
		}
	}
	return map[string]any{
		"specversion": "1.0", "type": k.Stream, "source": "/v1/Conversations", "id": id, "time": "2026-06-10T06:02:54.377Z",
		"dataschema": "https://events-schemas.twilio.com/Conversations.ParticipantAdded/2", "datacontenttype": "application/json",
		"data": data,
	}
}

func toJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// sample is one delivery of one kind.
type sample struct {
	name     string
	kind     events.Kind
	delivery events.Delivery
}

// samples are one delivery of every kind in every form that brings it.
func samples() []sample {
	var all []sample
	add := func(k events.Kind, how string, d events.Delivery) {
		d.Signer, d.ReceivedAt = []validation.SID{account}, received
		all = append(all, sample{fmt.Sprintf("%s/%s.%s.%s", how, k.API, k.Resource, k.Action), k, d})
	}
	for i, k := range events.Kinds() {
		switch {
		case k.API == participants.Orchestrator:
			add(k, "json", jsonDelivery(events.FeedOrchestrator, orchestrator(k)))
		case k.Name != "":
			body := form(k).Encode()
			add(k, "form", formDelivery(events.Feed(k.API), body))
			add(k, "query", events.Delivery{Feed: events.Feed(k.API), Method: "GET", Query: body + "&bodySHA256=00"})
		}
		if k.Stream != "" {
			item := cloudEvent(k, fmt.Sprintf("EZ%032x", i))
			add(k, "stream", jsonDelivery(events.FeedEventStreams, toJSON([]any{item})))
			item["data"] = string(toJSON(item["data"]))
			add(k, "stream-string", jsonDelivery(events.FeedEventStreams, toJSON([]any{item})))
		}
	}
	return all
}

func formDelivery(feed events.Feed, body string) events.Delivery {
	return events.Delivery{
		Feed: feed, Method: "POST", ContentType: "application/x-www-form-urlencoded; charset=utf-8", Body: []byte(body),
		Signer: []validation.SID{account}, ReceivedAt: received,
	}
}

func jsonDelivery(feed events.Feed, body []byte) events.Delivery {
	return events.Delivery{
		Feed: feed, Method: "POST", ContentType: "application/json", Body: body,
		Signer: []validation.SID{account}, ReceivedAt: received,
	}
}

// parseOne parses a delivery of one event.
func parseOne(tb testing.TB, d events.Delivery) events.Event {
	tb.Helper()
	accepted, rejected := events.Parse(d)
	if len(accepted) != 1 || len(rejected) != 0 {
		tb.Fatalf("Parse: got %d events and %+v, want one event", len(accepted), rejected)
	}
	return accepted[0]
}

// rejectOne parses a delivery of one dead letter.
func rejectOne(tb testing.TB, d events.Delivery) events.DeadLetter {
	tb.Helper()
	accepted, rejected := events.Parse(d)
	if len(accepted) != 0 || len(rejected) != 1 {
		tb.Fatalf("Parse: got %+v and %d letters, want one letter", accepted, len(rejected))
	}
	return rejected[0]
}

func sortedKeys[M ~map[string]V, V any](m M) []string { return slices.Sorted(maps.Keys(m)) }
