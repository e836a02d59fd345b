package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/internal/jsonappend"
)

// raw returns f as compact JSON with its keys sorted.
func (f fields) raw() json.RawMessage {
	if f == nil {
		f = fields{}
	}
	const room = 32 // for escapes that size does not count
	return appendObject(make([]byte, 0, size(f)+room), f)
}

// size is how many bytes v takes as JSON if nothing but quotes needs escaping.
func size(v any) int {
	switch v := v.(type) {
	case fields:
		n := len(`{}`)
		for name, value := range v {
			n += len(name) + len(`"":,`) + size(value)
		}
		return n
	case []any:
		n := len(`[]`)
		for _, item := range v {
			n += size(item) + len(`,`)
		}
		return n
	case string:
		return len(v) + len(`""`) + strings.Count(v, `"`)
	case json.Number:
		return len(v)
	default:
		return len(`false`)
	}
}

// appendValue appends a decoded value as compact JSON, with the keys of objects sorted. IDs are digests of this
// text, so not a byte of it may ever change: strings are as in RFC 8785, numbers keep their digits.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case fields:
		return appendObject(b, v)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item)
		}
		return append(b, ']')
	case string:
		return jsonappend.String(b, v)
	case json.Number:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	default:
		return append(b, "null"...)
	}
}

// usualFields is more fields than almost any object of Twilio's has: the names of so many fit on the stack.
const usualFields = 32

// appendObject appends f without the fields in leftOut; nil becomes null.
func appendObject(b []byte, f fields, leftOut ...string) []byte {
	if f == nil {
		return append(b, "null"...)
	}
	names := make([]string, 0, usualFields)
	for name := range f {
		if !slices.Contains(leftOut, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonappend.String(b, name), ':')
		b = appendValue(b, f[name])
	}
	return append(b, '}')
}

// tolerant leaves repeated keys, too, for readObject to find.
var tolerant = jsonappend.Tolerant()

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

// parseJSON reads one JSON value. Numbers keep their digits. Unlike encoding/json it refuses invalid UTF-8 and repeated
// keys, which would change or hide what Twilio sent.
func parseJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errUTF8
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(b), tolerant...)
	v, err := readValue(dec, MaxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return v, nil
}

func readValue(dec *jsontext.Decoder, depth int) (any, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return nil, errSyntax
	}
	switch token.Kind() {
	case '{', '[':
		if depth == 0 {
			return nil, errDepth
		}
		if token.Kind() == '{' {
			return readObject(dec, depth-1)
		}
		return readArray(dec, depth-1)
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default: // null: the decoder refuses a bracket that closes nothing
		return nil, nil
	}
}

func readObject(dec *jsontext.Decoder, depth int) (any, error) {
	f := make(fields)
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, errSyntax
		}
		name := token.String()
		if _, twice := f[name]; twice {
			return nil, errDuplicate
		}
		if f[name], err = readValue(dec, depth); err != nil {
			return nil, err
		}
	}
	return f, closeValue(dec)
}

func readArray(dec *jsontext.Decoder, depth int) (any, error) {
	a := []any{}
	for dec.PeekKind() != ']' {
		v, err := readValue(dec, depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, closeValue(dec)
}

func closeValue(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return errSyntax
	}
	return nil
}
