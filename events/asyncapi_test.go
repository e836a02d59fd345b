package events_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rollcall-events/rollcall/events"
)

type asyncAPI struct {
	AsyncAPI string `json:"asyncapi"`
	Channels map[string]struct {
		Address    string                    `json:"address"`
		Parameters map[string]map[string]any `json:"parameters"`
	} `json:"channels"`
	Components struct {
		Parameters map[string]struct {
			Enum []string `json:"enum"`
		} `json:"parameters"`
		Messages map[string]struct {
			ContentType string `json:"contentType"`
			Payload     struct {
				SchemaFormat string            `json:"schemaFormat"`
				Schema       map[string]string `json:"schema"`
			} `json:"payload"`
			Examples []struct {
				Name    string          `json:"name"`
				Payload json.RawMessage `json:"payload"`
			} `json:"examples"`
		} `json:"messages"`
	} `json:"components"`
	Kinds []struct {
		API       events.API    `json:"api"`
		Resource  string        `json:"resource"`
		Action    string        `json:"action"`
		Webhook   string        `json:"webhook"`
		Stream    string        `json:"stream"`
		PreAction bool          `json:"pre_action"`
		Removal   bool          `json:"removal"`
		Lookup    events.Lookup `json:"lookup"`
		Requires  []string      `json:"requires"`
	} `json:"x-kinds"`
}

func asyncAPIJSON(t *testing.T) []byte {
	t.Helper()
	b, err := yaml.YAMLToJSON(events.AsyncAPI())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	var doc asyncAPI
	if err := json.Unmarshal(asyncAPIJSON(t), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.AsyncAPI != "3.0.0" {
		t.Fatalf("got AsyncAPI %s, want 3.0.0", doc.AsyncAPI)
	}
	return doc
}

func TestAsyncAPIHasEveryKindAndNoOther(t *testing.T) {
	var got []events.Kind
	for _, k := range readAsyncAPI(t).Kinds {
		got = append(got, events.Kind{
			API: k.API, Resource: k.Resource, Action: k.Action, Name: k.Webhook, Stream: k.Stream,
			Pre: k.PreAction, Removal: k.Removal, Requires: k.Requires, Lookup: k.Lookup,
		})
	}
	if want := events.Kinds(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAsyncAPIHasEveryTokenAndNoOther(t *testing.T) {
	want := map[string][]string{"api": nil, "resource": {events.Unknown}, "action": {events.Unknown}}
	for _, k := range events.Kinds() {
		want["api"] = append(want["api"], string(k.API))
		want["resource"] = append(want["resource"], k.Resource)
		want["action"] = append(want["action"], k.Action)
	}
	want["deadAPI"] = slices.Concat(want["api"], []string{events.Unknown})
	parameters := readAsyncAPI(t).Components.Parameters
	for name, tokens := range want {
		slices.Sort(tokens)
		tokens = slices.Compact(tokens)
		got := slices.Sorted(slices.Values(parameters[name].Enum))
		if !slices.Equal(got, tokens) {
			t.Errorf("%s: got %v, want %v", name, got, tokens)
		}
	}
}

func TestAsyncAPIHasEveryStage(t *testing.T) {
	doc := readAsyncAPI(t)
	if len(doc.Channels) != len(stages) || len(doc.Components.Messages) != len(stages) {
		t.Errorf("got %d channels and %d messages, want %d", len(doc.Channels), len(doc.Components.Messages), len(stages))
	}
	for _, stage := range stages {
		channel, message := doc.Channels[string(stage)], doc.Components.Messages[string(stage)]
		want := events.Pattern(stage, "{api}", "{resource}", "{action}", "{key}")
		if channel.Address != want {
			t.Errorf("%s: got address %s, want %s", stage, channel.Address, want)
		}
		if got, want := sortedKeys(channel.Parameters), []string{"action", "api", "key", "resource"}; !slices.Equal(got, want) {
			t.Errorf("%s: got parameters %v, want %v", stage, got, want)
		}
		if message.ContentType != events.ContentType {
			t.Errorf("%s: got %s, want %s", stage, message.ContentType, events.ContentType)
		}
		if got, want := message.Payload.Schema["$ref"], fmt.Sprintf("./schemas/%s.v1.json", stage); got != want {
			t.Errorf("%s: got %s, want %s", stage, got, want)
		}
	}
}

// Every example validates, and decodes to what encodes to it again.
func TestAsyncAPIExamples(t *testing.T) {
	recode := map[events.Stage]func([]byte) ([]byte, error){
		events.StageRaw: func(b []byte) ([]byte, error) {
			e, err := events.DecodeRaw(b)
			return orEncode(e, err, events.EncodeRaw)
		},
		events.StageEnriched: func(b []byte) ([]byte, error) {
			e, err := events.DecodeEnriched(b)
			return orEncode(e, err, events.EncodeEnriched)
		},
		events.StageDead: func(b []byte) ([]byte, error) {
			d, err := events.DecodeDead(b)
			return orEncode(d, err, events.EncodeDead)
		},
	}
	for stage, recode := range recode {
		examples := readAsyncAPI(t).Components.Messages[string(stage)].Examples
		if len(examples) < 2 {
			t.Errorf("%s: got %d examples, want some", stage, len(examples))
		}
		for _, example := range examples {
			if err := validate(schemaOf(t, stage), example.Payload); err != nil {
				t.Errorf("%s %s: %v", stage, example.Name, err)
			}
			again, err := recode(example.Payload)
			if err != nil {
				t.Errorf("%s %s: %v", stage, example.Name, err)
				continue
			}
			if !reflect.DeepEqual(jsonValue(t, again), jsonValue(t, example.Payload)) {
				t.Errorf("%s %s: got %s, want %s", stage, example.Name, again, example.Payload)
			}
		}
	}
}

func orEncode[T any](v T, err error, encode func(T) ([]byte, error)) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return encode(v)
}

func TestAsyncAPIReferencesResolve(t *testing.T) {
	whole := jsonValue(t, asyncAPIJSON(t))
	refs := 0
	walk(whole, func(ref string) {
		refs++
		pointer, local := strings.CutPrefix(ref, "#/")
		if !local {
			if _, err := events.Documents().Open(strings.TrimPrefix(ref, "./")); err != nil {
				t.Errorf("%s: %v", ref, err)
			}
			return
		}
		at := whole
		for part := range strings.SplitSeq(pointer, "/") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
		if at == nil {
			t.Errorf("%s: nothing is there", ref)
		}
	})
	if refs < 20 {
		t.Errorf("got %d references, want them all", refs)
	}
}

// walk calls visit with every $ref below v.
func walk(v any, visit func(ref string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if ref, ok := value.(string); ok && name == "$ref" {
				visit(ref)
			}
			walk(value, visit)
		}
	case []any:
		for _, value := range v {
			walk(value, visit)
		}
	}
}
