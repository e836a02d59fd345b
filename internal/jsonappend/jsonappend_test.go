package jsonappend_test

import (
	"encoding/json"
	"testing"
	"time"

	json2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	json1 "github.com/go-json-experiment/json/v1"
	"pgregory.net/rapid"

	"github.com/rollcall-events/rollcall/internal/jsonappend"
)

// object has a field of every type that a Writer writes.
type object struct {
	Text   string                     `json:"text"`
	Some   string                     `json:"some,omitempty"`
	Flag   bool                       `json:"flag,omitempty"`
	Number int64                      `json:"number"`
	Time   time.Time                  `json:"time"`
	Raw    json.RawMessage            `json:"raw"`
	List   []string                   `json:"list"`
	Any    map[string]json.RawMessage `json:"any"`
}

func write(b []byte, o object) *jsonappend.Writer {
	w := &jsonappend.Writer{B: append(b, '{')}
	w.Text("text", o.Text)
	w.Some("some", o.Some)
	w.Flag("flag", o.Flag)
	w.Int("number", o.Number)
	w.Time("time", o.Time)
	w.Raw("raw", o.Raw)
	w.Name("list")
	w.Put('[')
	for _, s := range o.List {
		w.Next()
		w.B = jsonappend.String(w.B, s)
	}
	w.Put(']')
	w.Name("any")
	w.Put('{')
	for name, raw := range o.Any {
		w.Key(name)
		w.Value("any", raw)
	}
	w.Put('}')
	w.Put('}')
	return w
}

var (
	texts = []string{
		"", "alice", "<script>&amp;</script>", `"quoted\"`, "\x00\x01\b\f\n\r\t\x1f\x7f", "\u2028\u2029", "é ☃ \U0001f600", "\ufffd", "\xff", "a\xffb\xc0\x80", "\xed\xa0\x80", "\xe2\x80",
	}
	raws = []string{
		"null", "{}", "[]", ` { "a" : [ 1 , 2 ] , "a" : "x  y" } `, "\t1\r\n", "1.50e+03", "-0", `"\u2028<\/>"`, "\"\u2028<&>\"", `"\ud800"`, "\"\xff\"", `{"\u0061":1,"a":2}`,
		"", "{", "{}{}", "nul", "01", "\"\n\"", "'a'", "[1,]", "\ufeff1", `"\x"`, "NaN",
	}
	times = []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Date(2025, 9, 17, 22, 23, 14, 120_000_000, time.FixedZone("", -3*3600-1800)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600)),
	}
)

func anyObject(t *rapid.T) object {
	text := rapid.OneOf(rapid.SampledFrom(texts), rapid.String())
	raw := rapid.Map(rapid.SampledFrom(raws), func(s string) json.RawMessage { return json.RawMessage(s) })
	o := object{
		Text: text.Draw(t, "text"), Some: text.Draw(t, "some"), Flag: rapid.Bool().Draw(t, "flag"), Number: rapid.Int64().Draw(t, "number"),
		Time: rapid.SampledFrom(times).Draw(t, "time"), Raw: raw.Draw(t, "raw"), List: rapid.SliceOf(text).Draw(t, "list"), Any: map[string]json.RawMessage{},
	}
	if rapid.Bool().Draw(t, "with any") {
		o.Any[text.Draw(t, "key")] = raw.Draw(t, "any")
	}
	if o.List == nil {
		o.List = []string{}
	}
	return o
}

// What is written is what encoding/json writes, with nothing escaped that JSON lets stand, behind what was there; and what it refuses is refused.
func TestWriterWritesWhatEncodingJSONDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := anyObject(t)
		want, refused := json2.Marshal(o, json1.DefaultOptionsV1(), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
		const before = `[{"x":1},`
		w := write([]byte(before), o)
		if problems := w.Problems(); (problems != nil) != (refused != nil) {
			t.Fatalf("%+v: got %v, want one where encoding/json has %v", o, problems, refused)
		}
		if refused == nil && string(w.B) != before+string(want) {
			t.Fatalf("got %s, want %s%s", w.B, before, want)
		}
	})
}

func TestProblemsNameTheFirstFieldThatCannotBeWritten(t *testing.T) {
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, change := range map[string]func(*object){
		"":              func(*object) {},
		"time: rfc3339": func(o *object) { o.Time, o.Raw = late, json.RawMessage("{") },
		"raw: json": func(o *object) {
			o.Raw, o.Any = json.RawMessage("{"), map[string]json.RawMessage{"secret": json.RawMessage("x")}
		},
		"any: json": func(o *object) { o.Any = map[string]json.RawMessage{"secret": json.RawMessage("x")} },
	} {
		o := object{Raw: json.RawMessage("1")}
		change(&o)
		if got := write(nil, o).Problems().Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
