package participants

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/validation"
)

// object reads the fields of one JSON object, each once, and reports those that break their rule. Fields that
// are left at the end are undocumented. Keys are matched exactly; of two equal ones the last counts.
type object struct {
	path   string   // of the object in the answer, "" for the whole answer
	fields []member // parts of the answer's body; nil for a value that is not an object
	report *report
}

// newObject returns raw as an object. If it is something else, that is reported, and all fields are absent. It reuses the
// memory of spent, which must not be read any more.
func newObject(path string, raw []byte, spent object, r *report) object {
	o := object{path: path, report: r}
	fields, ok := r.split.members(raw, slices.Grow(spent.fields[:0], usualFields))
	if !ok {
		r.problem(path, "object")
		return o
	}
	o.fields = fields
	return o
}

// usualFields is about as many fields as an object has.
const usualFields = 16

func (o object) name(field string) string {
	if o.path == "" {
		return field
	}
	return o.path + "." + field
}

func (o object) problem(field, rule string) { o.report.problem(o.name(field), rule) }

// peek returns a field as it is, without taking it; nil when it is absent.
func (o object) peek(field string) []byte {
	var raw []byte
	for _, m := range o.fields {
		if string(m.name) == field {
			raw = m.value
		}
	}
	return raw
}

// raw takes a field as it is, nil when it is absent or null.
func (o object) raw(field string) []byte {
	raw := o.peek(field)
	for i := range o.fields {
		if string(o.fields[i].name) == field {
			o.fields[i].value = nil
		}
	}
	if isNull(raw) {
		return nil
	}
	return raw
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// require reports a field that is absent or null.
func (o object) require(field string) {
	if raw := o.peek(field); o.fields != nil && (raw == nil || isNull(raw)) {
		o.problem(field, "required")
	}
}

// forbidNull reports a field that is null. It may be absent.
func (o object) forbidNull(field string) {
	if isNull(o.peek(field)) {
		o.problem(field, "not_null")
	}
}

// quoted takes a string as it was sent, in its quotes; nil when it is absent, null or not a string.
func (o object) quoted(field string) []byte {
	raw := o.raw(field)
	if raw != nil && raw[0] != '"' {
		o.problem(field, "string")
		return nil
	}
	return raw
}

// text takes a string; "" and false when it is absent, null or not a string.
func (o object) text(field string) (string, bool) {
	raw := o.quoted(field)
	if raw == nil {
		return "", false
	}
	return string(unquote(raw)), true
}

// plain takes a string without a rule.
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

// requested returns value, and reports it when it is not want, which was asked for. Where either is empty there is
// nothing to compare.
func (o object) requested(field, value, want string) string {
	if value != "" && want != "" && value != want {
		o.problem(field, "requested")
	}
	return value
}

// open takes one of an open list of words. A new one is noticed, but not a problem.
func (o object) open(field, notice string, known ...string) string {
	s, ok := o.text(field)
	if ok && !slices.Contains(known, s) {
		o.report.notice(notice)
	}
	return s
}

func (o object) time(field string) *time.Time {
	raw := o.quoted(field)
	if raw == nil {
		return nil
	}
	t := new(time.Time)
	if t.UnmarshalText(unquote(raw)) != nil {
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
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		o.problem(field, "integer")
		return nil
	}
	return &n
}

// jsonText takes a string that holds JSON and returns that JSON, compacted.
func (o object) jsonText(field string) json.RawMessage {
	raw := o.quoted(field)
	if raw == nil {
		return nil
	}
	text := unquote(raw)
	if tooDeep(text) || !jsontext.Value(text).IsValid(tolerant...) {
		o.problem(field, "jsontext")
		return nil
	}
	return compact(text)
}

// any takes a JSON value of any type, compacted.
func (o object) any(field string) json.RawMessage { return compact(o.raw(field)) }

// array takes a list, nil when it is absent or null.
func (o object) array(field string) [][]byte {
	raw := o.raw(field)
	if raw == nil {
		return nil
	}
	items, ok := o.report.split.items(raw)
	if !ok {
		o.problem(field, "array")
	}
	return items
}

// rest takes all fields that are left, and notices each.
func (o object) rest(notice string) map[string]json.RawMessage {
	var rest map[string]json.RawMessage
	for _, m := range o.fields {
		if m.value == nil {
			continue
		}
		if rest == nil {
			rest = make(map[string]json.RawMessage)
		}
		rest[string(m.name)] = compact(m.value)
	}
	for range rest {
		o.report.notice(notice)
	}
	return rest
}

// compact returns a copy of valid JSON without white space, so that it is the same bytes after it has been published and
// read again. It returns nil for nil.
func compact(raw []byte) json.RawMessage {
	if raw == nil {
		return nil
	}
	v := jsontext.Value(slices.Clone(raw))
	_ = v.Compact() // valid JSON cannot fail
	return json.RawMessage(v)
}
