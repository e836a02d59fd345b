package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The limits of what is read from a delivery. What exceeds one is dead-lettered whole, as ReasonUnparseable.
const (
	MaxFields = 1000 // fields of a form or a query; Twilio's widest has about 25
	MaxDepth  = 64   // objects and arrays in one another, in JSON
	MaxBatch  = 1000 // CloudEvents in one Event Streams delivery; Twilio sends one
	MaxName   = 128  // bytes of Event.Name; a longer one is cut
)

// Why a body could not be read. They are fit for DeadLetter.Detail: they carry nothing of it.
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

// raw returns f as compact JSON, its keys sorted: the same for any order in which they came.
func (f fields) raw() json.RawMessage {
	if f == nil {
		f = fields{}
	}
	raw, err := marshal(f)
	if err != nil { // only what was decoded is in f
		return json.RawMessage("{}")
	}
	return raw
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// object returns the object at name, or nil.
func (f fields) object(name string) fields {
	o, _ := f[name].(fields)
	return o
}

// text returns the string at the first of names that is there and neither null nor empty,
// with the name. It is not ok when that is no string: a repeated form field, a number.
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
// values of a repeated name become an array, in order. A ";" separates nothing.
func parseForm(s string) (fields, error) {
	if strings.Count(s, "&") >= MaxFields {
		return nil, errFields
	}
	f := make(fields)
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

// parseObject reads one JSON object.
func parseObject(b []byte) (fields, error) {
	v, err := parseJSON(b)
	if err != nil {
		return nil, err
	}
	f, ok := v.(fields)
	if !ok {
		return nil, errNotObject
	}
	return f, nil
}

// parseJSON reads one JSON value. Numbers keep their digits. It is stricter than encoding/json, which
// would replace invalid UTF-8 and let the last of two equal keys win.
func parseJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errUTF8
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := readValue(dec, MaxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return v, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, errSyntax
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == 0:
		return nil, errDepth
	case delim == '{':
		return readObject(dec, depth-1)
	default: // '[': the decoder refuses a closing one here
		return readArray(dec, depth-1)
	}
}

func readObject(dec *json.Decoder, depth int) (any, error) {
	f := make(fields)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, errSyntax
		}
		name, ok := token.(string)
		if !ok {
			return nil, errSyntax
		}
		if _, twice := f[name]; twice {
			return nil, errDuplicate
		}
		if f[name], err = readValue(dec, depth); err != nil {
			return nil, err
		}
	}
	return f, closeValue(dec)
}

func readArray(dec *json.Decoder, depth int) (any, error) {
	a := []any{}
	for dec.More() {
		v, err := readValue(dec, depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, closeValue(dec)
}

func closeValue(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errSyntax
	}
	return nil
}
