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
)

// raw returns f as compact JSON, its keys sorted: the same for any order in which they came.
func (f fields) raw() json.RawMessage {
	if f == nil {
		f = fields{}
	}
	return appendObject(nil, f)
}

// appendValue appends a decoded value as compact JSON, the keys of its objects sorted. An ID is a digest of such
// text, so that not a byte of it may change: it is what encoding/json writes without escaping <, > and &.
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
		return appendString(b, v)
	case json.Number:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	default:
		return append(b, "null"...)
	}
}

// appendObject appends f without the fields that are left out; no object is null.
func appendObject(b []byte, f fields, leftOut ...string) []byte {
	if f == nil {
		return append(b, "null"...)
	}
	names := make([]string, 0, len(f))
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
		b = append(appendString(b, name), ':')
		b = appendValue(b, f[name])
	}
	return append(b, '}')
}

// appendString appends s, which is valid UTF-8, in quotes.
func appendString(b []byte, s string) []byte {
	quoted, _ := jsontext.AppendQuote(b, s) // it refuses nothing but what is not UTF-8
	if !strings.ContainsRune(s, '\u2028') && !strings.ContainsRune(s, '\u2029') {
		return quoted
	}
	return append(b, escapeSeparators.Replace(string(quoted[len(b):]))...)
}

// escapeSeparators escapes the two characters that encoding/json does for JavaScript's sake, and jsontext does not.
var escapeSeparators = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`)

// tolerant makes jsontext read what encoding/json does: an escaped half of a surrogate pair stands for U+FFFD. Keys that
// are named twice are looked for here.
var tolerant = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

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
	default: // null: the decoder refuses what closes nothing
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
