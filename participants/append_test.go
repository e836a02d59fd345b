package participants

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	json2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	json1 "github.com/go-json-experiment/json/v1"
	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/validation"
)

// standard is what AppendJSON is held to: what encoding/json writes, with nothing escaped that JSON lets stand.
func standard(p Participant) ([]byte, error) {
	return json2.Marshal(p, json1.DefaultOptionsV1(), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
}

// checkStandard checks that p is written as encoding/json does, after what is there, or refused where it is.
func checkStandard(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, p Participant) {
	t.Helper()
	want, refused := standard(p)
	const before = `[{"x":1},`
	got, err := p.AppendJSON([]byte(before))
	if (err != nil) != (refused != nil) {
		t.Fatalf("%+v: got error %v, want one where encoding/json has %v", p, err, refused)
	}
	if err != nil {
		want = nil
		if problems, ok := errors.AsType[validation.Problems](err); !ok || len(problems) != 1 {
			t.Fatalf("got %T with %v, want one problem", err, err)
		}
	}
	if string(got) != before+string(want) {
		t.Fatalf("got %s, want %s%s", got, before, want)
	}
}

// hostileText are strings that JSON writes in more ways than one, and such that are no UTF-8.
var hostileText = []string{
	"", " ", "alice", "<script>&amp;</script>", `"quoted\"`, "\x00\x01\b\f\n\r\t\x1f\x7f", "\u2028\u2029", "\u2027\u202a",
	"’ é ☃ \U0001f600", "\ufffd", "\xff", "a\xffb\xc0\x80", "\xed\xa0\x80", "\xe2\x80", "\u2028\xff\"", strings.Repeat("x", 100) + "é",
}

// hostileRaw are raw values that are JSON, in some form, and such that are not.
var hostileRaw = []string{
	"", "null", "{}", "[]", ` { "a" : [ 1 , 2 ] , "a" : "x  y" } `, "\t1\r\n", "1.50e+03", "-0", `"\u2028<\/>"`, "\"\u2028<&>\"", `"\ud800"`,
	"\"\xff\"", `{"\u0061":1,"a":2}`, "true",
	"{", "{}{}", "nul", "01", "\"\n\"", "'a'", "[1,]", "\ufeff1", `"\x"`, "{\"a\":1,}", "NaN",
}

var hostileTimes = []time.Time{
	{},
	time.Unix(0, 0).UTC(),
	time.Date(2025, 9, 17, 22, 23, 14, 5, time.UTC),
	time.Date(2025, 9, 17, 22, 23, 14, 120_000_000, time.FixedZone("", -3*3600-1800)),
	time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 23*3600+59*60+30)),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600)),
	time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600)),
}

// anyValue fills v with anything that its type takes, most of it hostile.
func anyValue(t *rapid.T, v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case *json.RawMessage:
		if rapid.IntRange(0, 2).Draw(t, "nil") > 0 {
			*at = json.RawMessage(rapid.SampledFrom(hostileRaw).Draw(t, "raw"))
		}
		return
	case *time.Time:
		*at = rapid.SampledFrom(hostileTimes).Draw(t, "time")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.SampledFrom(hostileText), rapid.String()).Draw(t, "string"))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "integer"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			anyValue(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 2).Draw(t, "length"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			anyValue(t, v.Index(i))
		}
	case reflect.Map:
		n := rapid.IntRange(-1, 3).Draw(t, "length")
		if n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
		}
		for range n {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			anyValue(t, key)
			anyValue(t, value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			anyValue(t, field)
		}
	default:
		t.Fatalf("got a field of type %s, want one that this test knows", v.Type())
	}
}

func TestAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Participant
		anyValue(t, reflect.ValueOf(&p).Elem())
		checkStandard(t, p)
	})
}

// One field at a time, so that what is wrong with one hides nothing of another.
func TestAppendJSONOfEachFieldIsEncodingJSON(t *testing.T) {
	for i := range reflect.TypeFor[Participant]().NumField() {
		rapid.Check(t, func(t *rapid.T) {
			var p Participant
			anyValue(t, reflect.ValueOf(&p).Elem().Field(i))
			checkStandard(t, p)
		})
	}
}

func TestAppendJSONOfEveryHostileValue(t *testing.T) {
	for _, s := range hostileText {
		checkStandard(t, Participant{Name: s, Extra: map[string]json.RawMessage{s: nil}})
	}
	for _, raw := range hostileRaw {
		checkStandard(t, Participant{Attributes: json.RawMessage(raw)})
		checkStandard(t, Participant{Addresses: []Address{{Extra: map[string]json.RawMessage{"b": json.RawMessage(raw), "a": nil}}}})
	}
	for _, at := range hostileTimes {
		checkStandard(t, Participant{CreatedAt: &at})
	}
}

func TestAppendJSONNamesWhatItRefuses(t *testing.T) {
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, p := range map[string]Participant{
		"attributes: json":         {Attributes: json.RawMessage("secret")},
		"routing_properties: json": {Routing: json.RawMessage("secret"), Extra: map[string]json.RawMessage{"secret": json.RawMessage("{")}},
		"extra: json":              {Addresses: []Address{{Extra: map[string]json.RawMessage{"secret": {}}}}},
		"created_at: rfc3339":      {CreatedAt: &late},
	} {
		b, err := p.AppendJSON(nil)
		if err == nil || err.Error() != want || len(b) != 0 {
			t.Errorf("got %s and error %v, want nothing and %s", b, err, want)
		}
	}
}

// The race detector, which empties pools at random, costs some.
func TestAppendingAParticipantAllocatesNextToNothing(t *testing.T) {
	for _, hot := range hotPages {
		p := decodeAll(t, hot.decode, manyOf(t, hot.golden, 2), 2)[0]
		b, err := p.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := testing.AllocsPerRun(10, func() { _, err = p.AppendJSON(b[:0]) }); got > 3 || err != nil {
			t.Errorf("%s: got %.0f allocations and error %v, want 3 at most and none, where there is room", hot.api, got, err)
		}
	}
}
