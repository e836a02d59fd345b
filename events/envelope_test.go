package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestRawRoundTrip(t *testing.T) {
	for _, s := range samples() {
		want := parseOne(t, s.delivery)
		b, err := events.EncodeRaw(want)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		got, err := events.DecodeRaw(b)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", s.name, got, want)
		}
	}
}

func TestEnvelopeIsACloudEvent(t *testing.T) {
	for _, s := range samples() {
		e := parseOne(t, s.delivery)
		b, err := events.EncodeEnriched(enriched(e))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		var ce event.Event
		if err := json.Unmarshal(b, &ce); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := ce.Validate(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if written, err := ce.MarshalJSON(); err != nil || string(written) != string(b) {
			t.Errorf("%s: got %s, want what the SDK writes: %s, %v", s.name, b, written, err)
		}
		at := e.OccurredAt
		if at.IsZero() {
			at = received
		}
		path := fmt.Sprintf("%s.%s.%s", s.kind.API, s.kind.Resource, s.kind.Action)
		for _, tt := range []struct{ name, got, want string }{
			{"id", ce.ID(), e.ID},
			{"type", ce.Type(), "events.rollcall.enriched." + path},
			{"source", ce.Source(), fmt.Sprintf("/twilio/%s/%s", account, s.kind.API)},
			{"subject", ce.Subject(), e.Key()},
			{"time", ce.Time().String(), at.String()},
			{"dataschema", ce.DataSchema(), "urn:rollcall:schema:enriched:1"},
			{"datacontenttype", ce.DataContentType(), "application/json"},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: %s: got %s, want %s", s.name, tt.name, tt.got, tt.want)
			}
		}
	}
}

// enriched is e with one participant that has every field.
func enriched(e events.Event) events.Enriched {
	at := received.Add(time.Second)
	index := int64(7)
	roster := events.Roster{Status: events.RosterNotNeeded, Lookup: e.Kind().Lookup}
	if roster.Lookup != events.LookupNone {
		roster.Status, roster.FetchedAt = events.RosterResolved, at
		roster.Participants = []participants.Participant{{
			API: e.API, ID: "MB0123456789abcdef0123456789abcdef", AccountID: account, ConversationID: chat,
			InteractionSID: interaction, ChannelSID: channel, Type: "customer", Name: "Dana S.", Identity: "alice",
			ProfileID: "mem_profile_00000000000000000000000000", RoleSID: "RL0123456789abcdef0123456789abcdef",
			Attributes: json.RawMessage(`{"role":"driver & <guide>"}`), Routing: json.RawMessage(`{"task_sid":"WT0123456789abcdef0123456789abcdef"}`),
			Addresses: []participants.Address{{
				Channel: "sms", Address: "+15558675310", ProxyAddress: "+15017122661", ProjectedAddress: "+15017122662", ChannelID: "x",
				Extra: map[string]json.RawMessage{"level": json.RawMessage(`"cc"`)},
			}},
			LastRead:  &participants.LastRead{MessageIndex: &index, Timestamp: created},
			CreatedAt: &at, UpdatedAt: &at, URL: "https://conversations.twilio.com/v1/x",
			Extra: map[string]json.RawMessage{"new": json.RawMessage(`[1,null]`)},
		}}
	}
	if roster.Lookup == events.LookupParticipants {
		roster.Gone = []validation.V2ID{customer}
	}
	return events.Enriched{Event: e, Roster: roster}
}

func TestEnrichedRoundTrip(t *testing.T) {
	for _, s := range samples() {
		want := enriched(parseOne(t, s.delivery))
		b, err := events.EncodeEnriched(want)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		got, err := events.DecodeEnriched(b)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if want.Roster.Participants == nil {
			want.Roster.Participants = []participants.Participant{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", s.name, got, want)
		}
		if !strings.Contains(string(b), `"participants":[`) {
			t.Errorf("%s: got %s, want a list of participants", s.name, b)
		}
	}
}

func TestDeadRoundTrip(t *testing.T) {
	e := parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))
	unparseable := rejectOne(t, formDelivery(events.FeedConversations, "%\xff\x00"))
	letters := []events.DeadLetter{
		unparseable,
		rejectOne(t, formDelivery(events.FeedConversations, "EventType=onMessageAdded&ConversationSid=x")),
		{Reason: events.ReasonCorrupt, FailedAt: received, Body: []byte("not ours")},
	}
	for _, reason := range events.Reasons() {
		letters = append(letters, events.DeadLetter{
			ID: e.ID, Reason: reason, Detail: "for people", FailedAt: received, Attempts: 3, Event: &e, Feed: e.Feed, Account: e.Account,
			Problems: validation.Problems{{Field: "sid", Rule: "sid=MB"}},
		})
	}
	for _, want := range letters {
		b, err := events.EncodeDead(want)
		if err != nil {
			t.Fatalf("%s: %v", want.Reason, err)
		}
		got, err := events.DecodeDead(b)
		if err != nil {
			t.Fatalf("%s: %v", want.Reason, err)
		}
		if want.ID == "" && digest.MatchString(got.ID) {
			want.ID = got.ID
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Reason, got, want)
		}
	}
}

// shortest is the last form of d.
func shortest(d events.DeadLetter) (last events.DeadLetter) {
	for last = range d.Forms() {
	}
	return last
}

func TestTheShortestFormOfALetterIsShort(t *testing.T) {
	much := strings.Repeat("x", 100<<10)
	ids := make([]validation.V2ID, events.MaxParticipants)
	for i := range ids {
		ids[i] = validation.V2ID(fmt.Sprintf("conv_participant_%026d", i))
	}
	problems := slices.Repeat(validation.Problems{{Field: "participant_ids[99999]", Rule: "v2id"}}, 10_000)
	e := parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))
	e.Payload, e.Envelope, e.Refs.ParticipantIDs = fmt.Appendf(nil, `{"x":%q}`, much), fmt.Appendf(nil, `{"x":%q}`, much), ids
	for _, d := range []events.DeadLetter{
		{Reason: events.ReasonInvalid, FailedAt: received, Event: &e, Problems: problems, Detail: "for people"},
		{Reason: events.ReasonUnparseable, FailedAt: received, Body: []byte(much)},
	} {
		want, err := events.EncodeDead(d)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := events.DecodeDead(want)
		if err != nil {
			t.Fatal(err)
		}
		b, err := events.EncodeDead(shortest(d))
		if err != nil || len(b) > 8<<10 {
			t.Fatalf("%s: got %d bytes and %v, want at most 8 KiB", d.Reason, len(b), err)
		}
		got, err := events.DecodeDead(b)
		if err != nil || got.ID != whole.ID || got.Reason != d.Reason || got.Subject() != whole.Subject() || !got.Stripped || whole.Stripped || !strings.HasPrefix(got.Detail, d.Detail) {
			t.Errorf("%s: got %+v, %v, want the same letter without what Twilio sent", d.Reason, got, err)
		}
	}
	if len(e.Payload) < len(much) || len(e.Refs.ParticipantIDs) != len(ids) {
		t.Error("got the event itself changed, want it left alone")
	}
}

// Each form is shorter than the one before it, and what Twilio sent is what goes last.
func TestTheFormsOfALetter(t *testing.T) {
	e := parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))
	d := events.DeadLetter{
		Reason: events.ReasonInvalid, FailedAt: received, Event: &e,
		Problems: slices.Repeat(validation.Problems{{Field: "message_sid", Rule: "required"}}, 1000), Detail: strings.Repeat("é", 10_000),
	}
	var sizes []int
	var payloads []bool
	for form := range d.Forms() {
		b, err := events.EncodeDead(form)
		if err != nil {
			t.Fatal(err)
		}
		got, err := events.DecodeDead(b)
		if err != nil || got.ID != e.ID || got.Reason != d.Reason || !utf8.ValidString(got.Detail) {
			t.Errorf("form %d: got %+v, %v, want the same letter", len(sizes), got, err)
		}
		sizes, payloads = append(sizes, len(b)), append(payloads, len(got.Event.Payload) == len(e.Payload))
	}
	if len(sizes) != 3 || sizes[1] > 8<<10 || sizes[2] >= sizes[1] || !slices.Equal(payloads, []bool{true, true, false}) {
		t.Errorf("got forms of %v bytes, with the payload %v, want three, the second of some kilobytes, with it but for the last", sizes, payloads)
	}
}

func TestEncodeDeadGivesAnIDToALetterWithoutOne(t *testing.T) {
	e := parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))
	b, err := events.EncodeDead(events.DeadLetter{Reason: events.ReasonOverdue, FailedAt: received, Event: &e})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := events.DecodeDead(b); err != nil || got.ID != e.ID || got.Event.ID != e.ID {
		t.Errorf("got %s, %v, want %s", got.ID, err, e.ID)
	}
}

// change returns a valid envelope with one thing changed: a path ("data.refs") and its JSON, "" to delete it.
func change(t *testing.T, b []byte, path, value string) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(b, &whole); err != nil {
		t.Fatal(err)
	}
	at := whole
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		at = at[part].(map[string]any)
	}
	last := parts[len(parts)-1]
	delete(at, last)
	if value != "" {
		at[last] = json.RawMessage(value)
	}
	return toJSON(whole)
}

func rawMessage(tb testing.TB) []byte {
	tb.Helper()
	b, err := events.EncodeRaw(parseOne(tb, formDelivery(events.FeedConversations, messageAdded().Encode())))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestDecodeRawChecksEverything(t *testing.T) {
	tests := []struct{ path, value, want string }{
		{"specversion", `"0.3"`, "specversion: eq=1.0"},
		{"specversion", "", "specversion: eq=1.0"},
		{"id", `"a b"`, "id: id"},
		{"id", "", "id: id"},
		{"type", `"com.example.secret"`, "type: prefix=events.rollcall.raw."},
		{"type", `"events.rollcall.enriched.conversations.message.added"`, "type: prefix=events.rollcall.raw."},
		{"type", `"events.rollcall.raw.conversations.message.removed"`, "type: matches data"},
		{"source", `"/secret"`, "source: matches data"},
		{"subject", `"secret"`, "subject: matches data"},
		{"dataschema", `"urn:rollcall:schema:raw:2"`, "dataschema: eq=urn:rollcall:schema:raw:1"},
		{"data", "", "data: object"},
		{"data", "[]", "data: object"},
		{"data.api", `"secret"`, "api: oneof=conversations flex orchestrator"},
		{"data.resource", `"x.*.>"`, "resource: token"},
		{"data.resource", `"` + strings.Repeat("a", 33) + `"`, "resource: token"},
		{"data.action", `"Secret"`, "action: token"},
		{"data.action", "1", "action: type=string"},
		{"data.name", `""`, "name: required"},
		{"data.name", `"` + strings.Repeat("s", events.MaxName+1) + `"`, "name: max=128"},
		{"data.feed", `"secret"`, "feed: oneof=conversations flex orchestrator event-streams"},
		{"data.pre_action", "true", "pre_action: matches kind"},
		{"data.account_sid", `"AC1.>"`, "account_sid: sid=AC"},
		{"data.account_sid", "", "account_sid: required"},
		{"data.received_at", "", "received_at: required"},
		{"data.received_at", `"secret"`, "data: json"},
		{"data.payload", `"secret"`, "payload: object"},
		{"data.payload", "", "payload: object"},
		{"data.envelope", `"secret"`, "envelope: object"},
		{"data.refs", `{}`, "conversation_sid: required"},
		{"data.refs.conversation_sid", `"CH*"`, "conversation_sid: sid=CH"},
		{"data.refs.message_sid", "", "message_sid: required"},
	}
	for _, tt := range tests {
		_, err := events.DecodeRaw(change(t, rawMessage(t), tt.path, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %s: got %v, want %s", tt.path, tt.value, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), "ecret") {
			t.Errorf("%s: got a value in the error: %v", tt.path, err)
		}
		if _, ok := errors.AsType[validation.Problems](err); !ok {
			t.Errorf("%s: got %T, want it to wrap Problems", tt.path, err)
		}
	}
}

func TestDecodersRefuseWhatIsNoEnvelope(t *testing.T) {
	for _, b := range []string{"", "null", "[]", `"x"`, "{", "{}", `{"id":1}`, `{"specversion":"1.0","data":{}}`, strings.Repeat("[", 20000)} {
		if e, err := events.DecodeRaw([]byte(b)); err == nil {
			t.Errorf("raw %.20q: got %+v, want an error", b, e)
		}
		if e, err := events.DecodeEnriched([]byte(b)); err == nil {
			t.Errorf("enriched %.20q: got %+v, want an error", b, e)
		}
		if d, err := events.DecodeDead([]byte(b)); err == nil {
			t.Errorf("dead %.20q: got %+v, want an error", b, d)
		}
	}
}

func TestDecodeToleratesANewerVersion(t *testing.T) {
	b := rawMessage(t)
	for _, c := range [][2]string{
		{"data.new_field", `{"a":[1]}`},
		{"data.refs.new_sid", `"XX1"`},
		{"newextension", `"x"`},
		{"data.resource", `"reaction"`},
		{"type", `"events.rollcall.raw.conversations.reaction.added"`},
	} {
		b = change(t, b, c[0], c[1])
	}
	e, err := events.DecodeRaw(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Subject(events.StageRaw), "rollcall.raw.conversations.reaction.added."+chat; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if k := e.Kind(); k.Resource != events.Unknown || k.Lookup != events.LookupNone {
		t.Errorf("got %+v, want the unknown kind", k)
	}
}

func TestDecodeEnrichedChecksTheRoster(t *testing.T) {
	b, err := events.EncodeEnriched(enriched(parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, value, want string }{
		{"type", `"events.rollcall.raw.conversations.message.added"`, "type: prefix=events.rollcall.enriched."},
		{"data.roster", "", "roster.status: oneof"},
		{"data.roster.status", `"secret"`, "roster.status: oneof"},
		{"data.roster.lookup", `"secret"`, "roster.lookup: oneof"},
		{"data.roster.participants", `{}`, "roster.participants: type=[]participants.Participant"},
		{"data.roster.fetched_at", `"secret"`, "data: json"},
		{"data.refs.conversation_sid", `"CH*"`, "conversation_sid: sid=CH"},
		{"subject", `"secret"`, "subject: matches data"},
	}
	for _, tt := range tests {
		_, err := events.DecodeEnriched(change(t, b, tt.path, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s = %s: got %v, want %s", tt.path, tt.value, err, tt.want)
		}
	}
	e, err := events.DecodeEnriched(change(t, b, "data.roster.participants", "null"))
	if err != nil || e.Roster.Participants == nil {
		t.Errorf("null participants: got %v, %v, want an empty list", e.Roster.Participants, err)
	}
}

func TestDecodeDeadChecksTheLetter(t *testing.T) {
	b, err := events.EncodeDead(rejectOne(t, formDelivery(events.FeedConversations, "EventType=onMessageAdded&ConversationSid=x")))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, value, want string }{
		{"data.reason", `"secret"`, "reason: oneof"},
		{"data.failed_at", "", "failed_at: required"},
		{"data.feed", `"secret"`, "feed: oneof"},
		{"data.account_sid", `"secret"`, "account_sid: sid=AC"},
		{"data.body", `"%"`, "data: json"},
		{"data.event", "", "type: matches data"},
		{"data.event.payload", `"secret"`, "payload: object"},
		{"data.event.refs", `{"user_sid":"secret"}`, "user_sid: sid=US"},
		{"id", `"a b"`, "id: id"},
		{"source", `"secret"`, "source: matches data"},
	}
	for _, tt := range tests {
		_, err := events.DecodeDead(change(t, b, tt.path, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s = %s: got %v, want %s", tt.path, tt.value, err, tt.want)
		}
	}
}

func TestEncodersRefuseWhatDecodersWould(t *testing.T) {
	e := parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode()))
	e.Refs.ConversationSID = "CH.>"
	if b, err := events.EncodeRaw(e); err == nil {
		t.Errorf("raw: got %s, want an error", b)
	}
	if b, err := events.EncodeEnriched(enriched(e)); err == nil {
		t.Errorf("enriched: got %s, want an error", b)
	}
	if b, err := events.EncodeEnriched(events.Enriched{Event: e}); err == nil {
		t.Errorf("enriched: got %s, want an error", b)
	}
	if b, err := events.EncodeDead(events.DeadLetter{FailedAt: received, Event: &e}); err == nil {
		t.Errorf("dead: got %s, want an error", b)
	}
	bad := enriched(parseOne(t, formDelivery(events.FeedConversations, messageAdded().Encode())))
	bad.Roster.Participants[0].Attributes = json.RawMessage("{")
	if b, err := events.EncodeEnriched(bad); err == nil {
		t.Errorf("attributes that are not JSON: got %s, want an error", b)
	}
}
