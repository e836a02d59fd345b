package participants

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rollcall-events/rollcall/validation"
)

// object reads the fields of one JSON object, each once, reporting those that break their rule. What
// nobody took is what the API's page does not document. Keys are matched exactly.
type object struct {
	path   string // of the object in the answer, "" for the whole answer
	fields map[string]json.RawMessage
	report *report
}

// newObject reports raw when it is not an object; all fields of it are absent then.
func newObject(path string, raw json.RawMessage, r *report) object {
	o := object{path: path, report: r}
	if json.Unmarshal(raw, &o.fields) != nil || o.fields == nil {
		o.fields = nil
		r.problem(path, "object")
	}
	return o
}

func (o object) name(field string) string {
	if o.path == "" {
		return field
	}
	return o.path + "." + field
}

func (o object) problem(field, rule string) { o.report.problem(o.name(field), rule) }

// raw takes a field as it is, nil when it is absent or null.
func (o object) raw(field string) json.RawMessage {
	raw := o.fields[field]
	delete(o.fields, field)
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// require reports a field that is absent or null.
func (o object) require(field string) {
	if raw, ok := o.fields[field]; o.fields != nil && (!ok || string(raw) == "null") {
		o.problem(field, "required")
	}
}

// forbidNull reports a field that is null. It may be absent.
func (o object) forbidNull(field string) {
	if string(o.fields[field]) == "null" {
		o.problem(field, "not_null")
	}
}

// text takes a string, "" when it is absent or null. The bool is false for those and for what is no string.
func (o object) text(field string) (string, bool) {
	raw := o.raw(field)
	if raw == nil {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		o.problem(field, "string")
		return "", false
	}
	return s, true
}

// plain takes a string of any form.
func (o object) plain(field string) string {
	s, _ := o.text(field)
	return s
}

func (o object) max(field string, characters int) string {
	s, _ := o.text(field)
	if utf8.RuneCountInString(s) > characters {
		o.problem(field, "max="+strconv.Itoa(characters))
	}
	return s
}

func (o object) sid(field string, prefix validation.Prefix) string {
	s, ok := o.text(field)
	if !ok {
		return ""
	}
	if !validation.IsSID(s, prefix) {
		o.problem(field, "sid="+string(prefix))
		return ""
	}
	return s
}

func (o object) v2id(field string) string {
	s, ok := o.text(field)
	if !ok {
		return ""
	}
	if _, err := validation.ParseV2ID(s); err != nil {
		o.problem(field, "v2id")
		return ""
	}
	return s
}

// requested passes value on, reporting it when it is there and is not what was asked for. An empty
// want was not asked for.
func (o object) requested(field, value, want string) string {
	if value != "" && want != "" && value != want {
		o.problem(field, "requested")
	}
	return value
}

// open takes one of an open list of words: a new one is noticed and passed on.
func (o object) open(field, notice string, known ...string) string {
	s, ok := o.text(field)
	if ok && !slices.Contains(known, s) {
		o.report.notice(notice)
	}
	return s
}

func (o object) time(field string) *time.Time {
	s, ok := o.text(field)
	if !ok {
		return nil
	}
	t := new(time.Time)
	if t.UnmarshalText([]byte(s)) != nil {
		o.problem(field, "rfc3339")
		return nil
	}
	return t
}

func (o object) uri(field string) string {
	s, ok := o.text(field)
	if !ok {
		return ""
	}
	if u, err := url.Parse(s); err != nil || !u.IsAbs() {
		o.problem(field, "uri")
	}
	return s
}

func (o object) integer(field string) *int64 {
	raw := o.raw(field)
	if raw == nil {
		return nil
	}
	n := new(int64)
	if json.Unmarshal(raw, n) != nil {
		o.problem(field, "integer")
		return nil
	}
	return n
}

// jsonText takes a string that holds JSON and returns that JSON, compacted.
func (o object) jsonText(field string) json.RawMessage {
	s, ok := o.text(field)
	if !ok {
		return nil
	}
	text := []byte(s)
	if !json.Valid(text) || tooDeep(text) {
		o.problem(field, "jsontext")
		return nil
	}
	return compact(text)
}

// any takes a JSON value of whatever type, compacted.
func (o object) any(field string) json.RawMessage { return compact(o.raw(field)) }

// array takes a list, nil when it is absent or null.
func (o object) array(field string) []json.RawMessage {
	raw := o.raw(field)
	if raw == nil {
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		o.problem(field, "array")
	}
	return items
}

// rest takes all fields that are left, noticing each.
func (o object) rest(notice string) map[string]json.RawMessage {
	if len(o.fields) == 0 {
		return nil
	}
	for field, raw := range o.fields {
		o.fields[field] = compact(raw)
		o.report.notice(notice)
	}
	return o.fields
}

// compact returns valid JSON without its white space, so that what was published and read again is the
// same bytes. It returns nil for nil.
func compact(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
