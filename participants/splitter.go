package participants

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// member is one field of an object. Its name is without quotes; its value is as it was sent, nil once it was taken.
type member struct{ name, value []byte }

// splitter takes JSON text apart, one level at a time. What it returns are parts of that text, not
// copies. It is used again and again, since what reads JSON is costly to make.
type splitter struct {
	dec  jsontext.Decoder
	from bytes.Buffer
}

// tolerant makes jsontext read what encoding/json does: an object may name a key twice, and an escaped half of
// a surrogate pair stands for U+FFFD.
var tolerant = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// members appends the fields of the object text to into. It is false when text is something else, or more.
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

// items returns the elements of the array text. It is false when text is something else, or more.
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

// open begins to read text, which must begin with delim.
func (s *splitter) open(text []byte, delim jsontext.Kind) bool {
	s.from = *bytes.NewBuffer(text)
	s.dec.Reset(&s.from, tolerant...)
	token, err := s.dec.ReadToken()
	return err == nil && token.Kind() == delim
}

// close reads what ends the object or the array, and reports whether nothing follows but white space.
func (s *splitter) close() bool {
	_, err := s.dec.ReadToken()
	_, end := s.dec.ReadToken()
	return err == nil && errors.Is(end, io.EOF)
}

// value returns the next value of text, nil where there is none. The decoder's own may not outlast its next call.
func (s *splitter) value(text []byte) []byte {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil
	}
	end := s.dec.InputOffset()
	return text[end-int64(len(v)) : end]
}

// unquote returns what a JSON string says: a part of text where nothing in it is escaped.
func unquote(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	said, _ := jsontext.AppendUnquote(nil, text) // an error says that half a surrogate pair became U+FFFD
	return said
}
