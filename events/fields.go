package events

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The limits of what Parse reads from a delivery. A longer name is cut; what exceeds another limit becomes, whole, a dead
// letter: with ReasonInvalid for MaxParticipants, and with ReasonUnparseable for the others.
const (
	MaxFields = 1000 // fields of a form or a query; Twilio's largest has about 25
	MaxDepth  = 64   // levels of nested JSON objects and arrays
	MaxBatch  = 1000 // CloudEvents in one Event Streams delivery; Twilio sends one
	MaxName   = 128  // bytes of Event.Name

	// MaxParticipants is how many participants one event may name, each counted once: as many as Twilio lets into a
	// conversation. For LookupParticipants each of them costs a call.
	MaxParticipants = 1000
)

// Why a body could not be read. They quote nothing from it, and so are fit for DeadLetter.Detail.
var (
	errUTF8      = errors.New("not valid UTF-8")
	errEscape    = errors.New("malformed percent-encoding in a form")
	errFields    = errors.New("too many fields in a form")
	errSyntax    = errors.New("malformed JSON")
	errDuplicate = errors.New("a JSON object names one key twice")
	errDepth     = errors.New("JSON nested too deeply")
	errNotObject = errors.New("not a JSON object")
	errNotArray  = errors.New("not a JSON array of objects")
	errBatch     = errors.New("too many CloudEvents in one body")
)

// fields is one decoded object: strings, json.Number, bool, nil, []any and fields.
type fields map[string]any

// object returns the object at name, or nil.
func (f fields) object(name string) fields {
	o, _ := f[name].(fields)
	return o
}

// text returns the first of the named fields that is neither absent, null nor empty, with its name. It is not ok
// when that field is not a string, such as a number or a repeated form field.
func (f fields) text(names ...string) (text, name string, ok bool) {
	for _, name := range names {
		switch v := f[name].(type) {
		case nil:
		case string:
			if v != "" {
				return v, name, true
			}
		default:
			return "", name, false
		}
	}
	return "", names[0], true
}

// parseForm reads an application/x-www-form-urlencoded body or query. Names are literal, dots included; the
// values of a repeated name become an array, in order. A ";" is not a separator.
func parseForm(s string) (fields, error) {
	separators := strings.Count(s, "&")
	if separators >= MaxFields {
		return nil, errFields
	}
	f := make(fields, separators+1)
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, err := parsePair(pair)
		if err != nil {
			return nil, err
		}
		f.add(name, value)
	}
	return f, nil
}

func parsePair(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err != nil {
		return "", "", errEscape
	}
	if value, err = url.QueryUnescape(value); err != nil {
		return "", "", errEscape
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return "", "", errUTF8
	}
	return name, value, nil
}

func (f fields) add(name, value string) {
	switch old := f[name].(type) {
	case nil:
		f[name] = value
	case []any:
		f[name] = append(old, value)
	default:
		f[name] = []any{old, value}
	}
}
