package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	json2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	json1 "github.com/go-json-experiment/json/v1"
	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// reference is how data, which e describes, is encoded by the CloudEvents SDK and a JSON library: what the encoders are held to. It
// refuses what has no JSON, and what the SDK would not read or finds invalid.
func reference(stage events.Stage, e events.Event, data any) ([]byte, error) {
	account := string(e.Account)
	if account == "" {
		account = "none"
	}
	at := e.OccurredAt
	if at.IsZero() {
		at = e.ReceivedAt
	}
	ce := event.New()
	ce.SetID(e.ID)
	ce.SetType("events." + strings.TrimSuffix(e.Subject(stage), "."+e.Key()))
	ce.SetSource("/twilio/" + account + "/" + string(e.API))
	ce.SetSubject(e.Key())
	ce.SetTime(at.UTC())
	ce.SetDataSchema(events.SchemaURI(stage))
	ce.SetDataContentType(event.ApplicationJSON)
	encoded, err := plainly(data)
	if err != nil {
		return nil, err
	}
	ce.DataEncoded = encoded
	b, err := ce.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var read event.Event
	if err := json.Unmarshal(b, &read); err != nil {
		return nil, err
	}
	return b, errors.Join(ce.Validate(), read.Validate())
}

// plainly is what encoding/json writes, with nothing escaped that JSON lets stand.
func plainly(v any) ([]byte, error) {
	return json2.Marshal(v, json1.DefaultOptionsV1(), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
}

// Texts, raw values and times that JSON writes in more ways than one, and such that it cannot write.
var (
	awkwardText = []string{
		"onMessageAdded", "<script>&amp;</script>", `"quoted\"`, "\x00\x01\b\f\n\r\t\x1f\x7f", "\u2028\u2029", "\u2027\u202a", "’ é ☃ \U0001f600",
		"\ufffd", "\xff", "a\xffb\xc0\x80", "\xed\xa0\x80", "\xe2\x80", "\u2028\xff\"", "",
	}
	awkwardObjects = []string{
		"{}", `{"Body":"<b> & é","n":1.50e+03}`, ` {"a":1}`, "{ \"a\" : [ 1 ,\t2 ] , \"a\" : \"x  y\" }\n", `{"\u0061":"\u2028<\/>"}`, "{\"a\":\"\u2028<&>\"}",
		`{"a":"\ud800"}`, "{\"a\":\"\xff\"}", "{\"\u2029\":-0}",
	}
	noObjects = []string{
		"{", "{}{}", "null", "[]", "", `{"a":1,}`, `{"a":01}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, "\ufeff{}", `{a:1}`, `{"a":NaN}`,
	}
	awkwardTimes = []time.Time{
		{},
		time.Unix(0, 0).UTC(),
		received,
		time.Date(2025, 9, 17, 22, 23, 14, 120_000_000, time.FixedZone("", -3*3600-1800)),
		time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 23*3600+59*60+30)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600)), // in UTC, year 10000
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600)),
	}
	awkwardIDs = []validation.V2ID{conv, customer, agent}
)

func anyText(t *rapid.T, name string) string {
	return rapid.OneOf(rapid.SampledFrom(awkwardText), rapid.String()).Draw(t, name)
}

func anyTime(t *rapid.T, name string) time.Time {
	usual := rapid.Map(rapid.Int64Range(1, 1<<61), func(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() })
	return rapid.OneOf(rapid.SampledFrom(awkwardTimes), usual, usual, usual).Draw(t, name)
}

func anyObject(t *rapid.T, name string) json.RawMessage {
	from := awkwardObjects
	if rapid.IntRange(0, 9).Draw(t, name+" is none") == 0 {
		from = noObjects
	}
	return json.RawMessage(rapid.SampledFrom(from).Draw(t, name))
}

func anyIDs(t *rapid.T, name string) []validation.V2ID {
	return rapid.SampledFrom([][]validation.V2ID{nil, {}, awkwardIDs[:1], awkwardIDs}).Draw(t, name)
}

// anyEvent is an event in which nothing is wrong but, at times, its JSON, its times or its name.
func anyEvent(t *rapid.T, from []events.Event) events.Event {
	e := rapid.SampledFrom(from).Draw(t, "event")
	e.ID = rapid.SampledFrom([]string{e.ID, "a", "A.b_c:d~e-9", strings.Repeat("x", 128)}).Draw(t, "id")
	e.Name = anyText(t, "name")
	e.OccurredAt, e.ReceivedAt = anyTime(t, "occurred"), anyTime(t, "received")
	e.Payload, e.Envelope = anyObject(t, "payload"), nil
	if rapid.Bool().Draw(t, "streamed") {
		e.Envelope = anyObject(t, "envelope")
	}
	e.ReplayOf = rapid.SampledFrom([]string{"", "first"}).Draw(t, "replay")
	if ids := anyIDs(t, "ids"); len(e.Refs.ParticipantIDs) == 0 {
		e.Refs.ParticipantIDs = ids
	}
	return e
}

// wrong is what an encoder must say of e, "" for nothing; one of several things.
func wrong(e events.Event) string {
	object := func(b json.RawMessage) bool { return bytes.HasPrefix(b, []byte("{")) && json.Valid(b) }
	switch {
	case e.Name == "":
		return "name: required"
	case len(e.Name) > events.MaxName:
		return "name: max=128"
	case e.ReceivedAt.IsZero():
		return "received_at: required"
	case !object(e.Payload):
		return "payload: object"
	case e.Envelope != nil && !object(e.Envelope):
		return "envelope: object"
	default:
		return ""
	}
}

// checkEncoded checks that what was encoded of data, which e describes, is the reference's.
func checkEncoded(t *rapid.T, stage events.Stage, e events.Event, data any, problem string, got []byte, err error) {
	t.Helper()
	want, refused := reference(stage, e, data)
	switch {
	case problem == "" && refused == nil:
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %s and error %v, want %s", got, err, want)
		}
		return
	case problem == "":
		problem = "data: json"
	}
	if err == nil || !strings.Contains(err.Error(), problem) || got != nil {
		t.Fatalf("got %s and error %v, want nothing and %s (encoding/json: %v)", got, err, problem, refused)
	}
	if _, ok := errors.AsType[validation.Problems](err); !ok {
		t.Fatalf("got %T, want it to wrap Problems", err)
	}
}

func parsedSamples(t *testing.T) []events.Event {
	t.Helper()
	var all []events.Event
	for _, s := range samples() {
		all = append(all, parseOne(t, s.delivery))
	}
	unknown := formDelivery(events.FeedConversations, "EventType=x.*.%3E")
	unknown.Signer[0] = ""
	return append(all, parseOne(t, unknown))
}

func TestRawIsEncodedAsTheReferenceIs(t *testing.T) {
	from := parsedSamples(t)
	rapid.Check(t, func(t *rapid.T) {
		e := anyEvent(t, from)
		b, err := events.EncodeRaw(e)
		checkEncoded(t, events.StageRaw, e, e, wrong(e), b, err)
	})
}

// anyParticipant has what participants tests of its own more closely.
func anyParticipant(t *rapid.T) participants.Participant {
	p := participants.Participant{
		API: participants.Flex, ID: anyText(t, "id"), Name: anyText(t, "name"),
		Attributes: json.RawMessage(rapid.SampledFrom([]string{"", "null", ` { "a" : [ ] }`, "1", "{"}).Draw(t, "attributes")),
	}
	if rapid.Bool().Draw(t, "created") {
		at := anyTime(t, "created_at")
		p.CreatedAt = &at
	}
	return p
}

func TestEnrichedIsEncodedAsTheReferenceIs(t *testing.T) {
	from := parsedSamples(t)
	rapid.Check(t, func(t *rapid.T) {
		e := events.Enriched{Event: anyEvent(t, from), Roster: events.Roster{
			Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: anyTime(t, "fetched"), Gone: anyIDs(t, "gone"),
			Participants: rapid.SliceOfN(rapid.Custom(anyParticipant), 0, 3).Draw(t, "participants"),
		}}
		if rapid.Bool().Draw(t, "whole") {
			e.Roster.Participants = append(e.Roster.Participants, enriched(from[0]).Roster.Participants...)
		}
		b, err := events.EncodeEnriched(e)
		if e.Roster.Participants == nil {
			e.Roster.Participants = []participants.Participant{}
		}
		checkEncoded(t, events.StageEnriched, e.Event, e, wrong(e.Event), b, err)
	})
}

func TestDeadIsEncodedAsTheReferenceIs(t *testing.T) {
	from := parsedSamples(t)
	rapid.Check(t, func(t *rapid.T) {
		d := events.DeadLetter{
			ID: "letter", Reason: rapid.SampledFrom(events.Reasons()).Draw(t, "reason"), Detail: anyText(t, "detail"),
			FailedAt: anyTime(t, "failed"), Attempts: rapid.IntRange(-1, 3).Draw(t, "attempts"), ContentType: anyText(t, "content type"),
			Feed: events.FeedFlex, Account: rapid.SampledFrom([]validation.SID{"", account}).Draw(t, "account"),
			Body:     rapid.SliceOfN(rapid.Byte(), -1, 9).Draw(t, "body"),
			Stripped: rapid.Bool().Draw(t, "stripped"),
		}
		if rapid.Bool().Draw(t, "problems") {
			d.Problems = validation.Problems{{Field: anyText(t, "field"), Rule: anyText(t, "rule")}, {}}
		}
		e := events.Event{API: participants.Flex, Resource: events.Unknown, Action: events.Unknown, Account: d.Account, ReceivedAt: d.FailedAt}
		problem := ""
		if rapid.Bool().Draw(t, "with an event") {
			e = anyEvent(t, from)
			d.Event = &e
			problem = wrong(e)
		}
		if d.FailedAt.IsZero() {
			problem = "failed_at: required"
		}
		e.ID = d.ID
		b, err := events.EncodeDead(d)
		checkEncoded(t, events.StageDead, e, d, problem, b, err)
	})
}

// One large participant does not have room made for all others to be as large.
func TestOneLargeParticipantTakesItsOwnRoom(t *testing.T) {
	e := events.Enriched{Event: parsedSamples(t)[0]}
	e.Roster.Status, e.Roster.Lookup, e.Roster.FetchedAt = events.RosterResolved, events.LookupConversation, received
	e.Roster.Participants = slices.Repeat([]participants.Participant{{ID: "MB0123456789abcdef0123456789abcdef"}}, 1000)
	e.Roster.Participants[0].Attributes = json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)
	b, err := events.EncodeEnriched(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, most := cap(b), 16*len(b); got > most {
		t.Errorf("got room for %d bytes for a message of %d, want at most %d", got, len(b), most)
	}
}

// Every field of what is published, one at a time: none is forgotten when one is added.
func TestNoFieldIsLeftOut(t *testing.T) {
	base := parseOne(t, formDelivery(events.FeedConversations, "EventType=x.*.%3E"))
	for i, field := range reflect.VisibleFields(reflect.TypeFor[events.Refs]()) {
		e := base
		value := "conv_participant_01k1etx3jbfx88476ccja0889c"
		if rule := field.Tag.Get("validate"); strings.Contains(rule, "sid") {
			_, prefixes, _ := strings.Cut(rule, "sid=")
			value = (prefixes + "XX")[:2] + strings.Repeat("0", 32)
		}
		switch at := reflect.ValueOf(&e.Refs).Elem().Field(i); at.Kind() {
		case reflect.Slice:
			at.Set(reflect.ValueOf([]validation.V2ID{validation.V2ID(value)}))
		default:
			at.SetString(value)
		}
		b, err := events.EncodeRaw(e)
		if want, refused := reference(events.StageRaw, e, e); err != nil || refused != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: got %s and %v, want %s and %v", field.Name, b, err, want, refused)
		}
	}
}
