package participants

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/internal/jsonappend"
)

// member is one field of an object: its unquoted name, and its value as it was sent, or nil once it has been taken.
type member struct{ name, value []byte }

// splitter takes JSON text apart, one level at a time. It returns parts of that text, not copies. One splitter
// reads a whole answer, since a decoder is costly to make.
type splitter struct {
	dec  jsontext.Decoder
	from bytes.Buffer
}

// tolerant leaves repeated keys to object: of two equal ones the last counts.
var tolerant = jsonappend.Tolerant()

// members appends the fields of text, an object, to into. It is false when text is not one object and nothing else.
func (s *splitter) members(text []byte, into []member) ([]member, bool) {
	if !s.open(text, '{') {
		return nil, false
	}
	for s.dec.PeekKind() != '}' {
		name, value := s.value(text), s.value(text)
		if value == nil {
			return nil, false
		}
		into = append(into, member{name: unquote(name), value: value})
	}
	return into, s.close()
}

// items returns the elements of text, an array. It is false when text is not one array and nothing else.
func (s *splitter) items(text []byte) ([][]byte, bool) {
	if !s.open(text, '[') {
		return nil, false
	}
	var items [][]byte
	for s.dec.PeekKind() != ']' {
		item := s.value(text)
		if item == nil {
			return nil, false
		}
		items = append(items, item)
	}
	return items, s.close()
}

// open begins to read text, and reports whether it begins with delim.
func (s *splitter) open(text []byte, delim jsontext.Kind) bool {
	s.from = *bytes.NewBuffer(text)
	s.dec.Reset(&s.from, tolerant...)
	token, err := s.dec.ReadToken()
	return err == nil && token.Kind() == delim
}

// close reads the end of the object or array, and reports whether nothing but white space follows.
func (s *splitter) close() bool {
	_, err := s.dec.ReadToken()
	_, end := s.dec.ReadToken()
	return err == nil && errors.Is(end, io.EOF)
}

// value returns the next value of text, or nil on an error. It is cut from text, since what the decoder returns is
// valid only until its next call.
func (s *splitter) value(text []byte) []byte {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil
	}
	end := s.dec.InputOffset()
	return text[end-int64(len(v)) : end]
}

// unquote returns the content of text, a JSON string: a part of text, if nothing in it is escaped.
func unquote(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	said, _ := jsontext.AppendUnquote(nil, text) // the only error is that half a surrogate pair became U+FFFD
	return said
}
