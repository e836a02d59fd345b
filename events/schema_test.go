package events_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// schemaOf compiles the schema of a stage, from itself alone.
func schemaOf(t *testing.T, stage events.Stage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(events.Schema(stage)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	uri := events.SchemaURI(stage)
	if err := c.AddResource(uri, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(uri)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(schema *jsonschema.Schema, b []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// encodings are every sample at every stage.
func encodings(t *testing.T, stage events.Stage) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, s := range samples() {
		e := parseOne(t, s.delivery)
		var b []byte
		var err error
		switch stage {
		case events.StageRaw:
			b, err = events.EncodeRaw(e)
		case events.StageEnriched:
			b, err = events.EncodeEnriched(enriched(e))
		case events.StageDead:
			b, err = events.EncodeDead(events.DeadLetter{Reason: events.ReasonOverdue, FailedAt: received, Attempts: 2, Event: &e, Feed: e.Feed, Account: e.Account})
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		all[s.name] = b
	}
	return all
}

func TestEverythingEncodedIsValid(t *testing.T) {
	for _, stage := range stages {
		schema := schemaOf(t, stage)
		for name, b := range encodings(t, stage) {
			if err := validate(schema, b); err != nil {
				t.Errorf("%s %s: %v", stage, name, err)
			}
		}
	}
}

func TestDeadLettersWithoutAnEventAreValid(t *testing.T) {
	schema := schemaOf(t, events.StageDead)
	letters := []events.DeadLetter{
		{Reason: events.ReasonCorrupt, FailedAt: received, Body: []byte{0xff}},
		rejectOne(t, formDelivery(events.FeedFlex, "%")),
		rejectOne(t, formDelivery(events.FeedFlex, "EventType=onParticipantLeft&ChannelSid=x")),
	}
	for _, reason := range events.Reasons() {
		letters = append(letters, events.DeadLetter{Reason: reason, FailedAt: received, Feed: events.FeedEventStreams})
	}
	for _, l := range letters {
		b, err := events.EncodeDead(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(schema, b); err != nil {
			t.Errorf("%s: %v", l.Reason, err)
		}
	}
}

func TestUnknownTypesAreValid(t *testing.T) {
	e := parseOne(t, formDelivery(events.FeedConversations, "EventType=x.*.%3E"))
	raw, err := events.EncodeRaw(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(schemaOf(t, events.StageRaw), raw); err != nil {
		t.Error(err)
	}
	d := formDelivery(events.FeedConversations, "EventType=onUserAdded&UserSid="+user)
	d.Signer[0] = ""
	if raw, err = events.EncodeRaw(parseOne(t, d)); err != nil {
		t.Fatal(err)
	}
	if err := validate(schemaOf(t, events.StageRaw), raw); err != nil {
		t.Errorf("without an account: %v", err)
	}
}

func TestSchemasRefuseWhatIsNotOurs(t *testing.T) {
	breaks := map[string][]string{
		"specversion": {"", `"0.3"`}, "id": {"", `"a b"`}, "type": {"", `"x"`, `"events.rollcall.raw.conversations.x.*"`},
		"source": {"", `"x"`}, "subject": {"", `"a.b"`}, "time": {"", `"yesterday"`}, "dataschema": {"", `"urn:x"`},
		"datacontenttype": {"", `"text/plain"`}, "data": {"", "[]"}, "data.api": {"", `"x"`}, "data.resource": {"", `"x.*"`},
		"data.action": {"", `"X"`}, "data.name": {"", `""`}, "data.feed": {"", `"x"`}, "data.account_sid": {`"x"`, "null"},
		"data.refs": {"", "[]"}, "data.refs.conversation_sid": {`"CH.>"`, "null"}, "data.occurred_at": {`"x"`},
		"data.received_at": {"", `"x"`}, "data.payload": {"", `"x"`, "null"}, "data.envelope": {`"x"`}, "data.pre_action": {`"x"`},
		"data.replay_of": {`"a b"`, `""`, "null"},
	}
	raw, rich := rawMessage(t), encodings(t, events.StageEnriched)["form/conversations.message.added"]
	checkRefused(t, events.StageRaw, raw, breaks)
	maps.Copy(breaks, map[string][]string{
		"data.roster": {"", "[]"}, "data.roster.status": {"", `"x"`}, "data.roster.lookup": {"", `"x"`},
		"data.roster.participants": {"", "null", "[{}]"}, "data.roster.gone": {`"x"`}, "data.roster.fetched_at": {`"x"`},
	})
	checkRefused(t, events.StageEnriched, rich, breaks)
	letter := encodings(t, events.StageDead)["form/conversations.message.added"]
	checkRefused(t, events.StageDead, letter, map[string][]string{
		"data.reason": {"", `"x"`}, "data.failed_at": {"", `"x"`}, "data.event": {"{}"}, "data.feed": {`"x"`}, "data.account_sid": {`"x"`},
		"data.attempts": {"-1"}, "data.problems": {`"x"`, "[{}]"}, "data.body": {"1"}, "type": {`"events.rollcall.raw.flex.a.b"`},
	})
}

func checkRefused(t *testing.T, stage events.Stage, b []byte, breaks map[string][]string) {
	t.Helper()
	schema := schemaOf(t, stage)
	if err := validate(schema, b); err != nil {
		t.Fatalf("%s: %v", stage, err)
	}
	for path, values := range breaks {
		for _, value := range values {
			if validate(schema, change(t, b, path, value)) == nil {
				t.Errorf("%s: %s = %s: got no error", stage, path, value)
			}
		}
	}
}

// The schemas name every field that the Go types have, and no other.
func TestSchemasNameEveryField(t *testing.T) {
	tests := []struct {
		stage events.Stage
		def   string
		typ   reflect.Type
	}{
		{events.StageRaw, "event", reflect.TypeFor[events.Event]()},
		{events.StageRaw, "refs", reflect.TypeFor[events.Refs]()},
		{events.StageEnriched, "roster", reflect.TypeFor[events.Roster]()},
		{events.StageEnriched, "participant", reflect.TypeFor[participants.Participant]()},
		{events.StageEnriched, "address", reflect.TypeFor[participants.Address]()},
		{events.StageDead, "letter", reflect.TypeFor[events.DeadLetter]()},
	}
	for _, tt := range tests {
		var definition struct {
			Properties map[string]any `json:"properties"`
		}
		if err := json.Unmarshal(definitions(t, tt.stage)[tt.def], &definition); err != nil {
			t.Fatal(err)
		}
		got := sortedKeys(definition.Properties)
		fields := map[string]bool{}
		for field := range tt.typ.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" {
				fields[name] = true
			}
		}
		if want := sortedKeys(fields); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s: got %v, want %v", tt.stage, tt.def, got, want)
		}
	}
}

func definitions(t *testing.T, stage events.Stage) map[string]json.RawMessage {
	t.Helper()
	var schema struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(events.Schema(stage), &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Defs
}

// Each schema is complete in itself, so that what they share is there three times: it must be the same.
func TestSchemasShareTheirDefinitions(t *testing.T) {
	want := definitions(t, events.StageRaw)
	for _, stage := range stages {
		got := definitions(t, stage)
		for _, name := range []string{"event", "refs"} {
			if !bytes.Equal(got[name], want[name]) {
				t.Errorf("%s: %s differs from that of raw", stage, name)
			}
		}
	}
}

func TestDocuments(t *testing.T) {
	for _, stage := range stages {
		b, err := fs.ReadFile(events.Documents(), "schemas/"+string(stage)+".v1.json")
		if err != nil || !bytes.Equal(b, events.Schema(stage)) {
			t.Errorf("%s: got %d bytes, %v, want those of Schema", stage, len(b), err)
		}
		var head struct {
			ID string `json:"$id"`
		}
		if err := json.Unmarshal(b, &head); err != nil || head.ID != events.SchemaURI(stage) {
			t.Errorf("%s: got $id %s, %v, want %s", stage, head.ID, err, events.SchemaURI(stage))
		}
	}
	if b := events.Schema("other"); b != nil {
		t.Errorf("got %s, want nothing", b)
	}
	if b, err := fs.ReadFile(events.Documents(), "asyncapi.yaml"); err != nil || !bytes.Equal(b, events.AsyncAPI()) {
		t.Errorf("got %d bytes, %v, want those of AsyncAPI", len(b), err)
	}
}
