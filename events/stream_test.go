package events_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

func TestParseKeepsACloudEventsAttributesBesideItsData(t *testing.T) {
	for _, s := range samples() {
		if s.delivery.Feed != events.FeedEventStreams {
			continue
		}
		want := cloudEvent(s.kind, "EZ1")
		data := want["data"]
		delete(want, "data")
		e := parseOne(t, s.delivery)
		want["id"] = e.ID
		if got := jsonValue(t, e.Envelope); !reflect.DeepEqual(got, jsonValue(t, toJSON(want))) {
			t.Errorf("%s: envelope: got %s, want %s", s.name, e.Envelope, toJSON(want))
		}
		if got := jsonValue(t, e.Payload); !reflect.DeepEqual(got, jsonValue(t, toJSON(data))) {
			t.Errorf("%s: payload: got %s, want %s", s.name, e.Payload, toJSON(data))
		}
	}
}

func TestParseBatch(t *testing.T) {
	added, _ := events.KindOf(participants.Conversations, "participant", "added")
	foreign, unnamed, bad := cloudEvent(added, "EZ2"), cloudEvent(added, "EZ3"), cloudEvent(added, "EZ4")
	foreign["data"].(map[string]any)["AccountSid"] = other
	delete(unnamed, "type")
	bad["data"] = "{"
	listed := cloudEvent(added, "EZ5")
	listed["data"] = []any{}
	batch := []any{cloudEvent(added, "EZ1"), foreign, unnamed, bad, listed, "text", nil, cloudEvent(added, "EZ6")}
	d := jsonDelivery(events.FeedEventStreams, toJSON(batch))
	d.IdempotencyToken = "of-the-batch"

	accepted, rejected := events.Parse(d)
	var ids []string
	for _, e := range accepted {
		ids = append(ids, e.ID)
	}
	if want := []string{"EZ1", "EZ6"}; !slices.Equal(ids, want) {
		t.Errorf("accepted: got %v, want %v", ids, want)
	}
	var got []string
	for _, l := range rejected {
		got = append(got, string(l.Reason)+" "+l.Problems.Error())
	}
	want := []string{
		"foreign_account ", "invalid type: required", "invalid data: object", "invalid data: object",
		"invalid event: object", "invalid event: object",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rejected: got %q, want %q", got, want)
	}
	if got, want := string(rejected[4].Body), `"text"`; got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	for _, l := range rejected {
		if (l.Event == nil) == (l.Body == nil) {
			t.Errorf("%s: got event %v and body %q, want one of them", l.ID, l.Event, l.Body)
		}
		if _, err := events.EncodeDead(l); err != nil {
			t.Error(err)
		}
	}
}

func TestParseEmptyAndSingleStreamBodies(t *testing.T) {
	if accepted, rejected := events.Parse(jsonDelivery(events.FeedEventStreams, []byte("[]"))); len(accepted)+len(rejected) != 0 {
		t.Errorf("empty batch: got %v, %v, want nothing", accepted, rejected)
	}
	added, _ := events.KindOf(participants.Conversations, "participant", "added")
	if e := parseOne(t, jsonDelivery(events.FeedEventStreams, toJSON(cloudEvent(added, "EZ1")))); e.ID != "EZ1" {
		t.Errorf("one object: got %s, want EZ1", e.ID)
	}
	noData := map[string]any{"specversion": "1.0", "type": "com.twilio.eventstreams.test-event", "id": "EZ1"}
	if e := parseOne(t, jsonDelivery(events.FeedEventStreams, toJSON([]any{noData}))); string(e.Payload) != "{}" {
		t.Errorf("no data: got %s, want {}", e.Payload)
	}
}
