// Package jsonappend writes JSON field by field, without reflection: what encoding/json writes, with nothing escaped that
// JSON lets stand, at a fraction of the cost. It knows what JSON is, and nothing of what is written.
package jsonappend

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/validation"
)

// Writer appends to B. It writes the commas; brackets are the caller's (see Put). Names must need no escaping, but for
// that of Key. A value that JSON cannot represent does not stop it: Problems tells, and B is then of no use.
type Writer struct {
	B        []byte // what was written, after whatever was there
	problems validation.Problems
}

// Problems returns the first field that could not be written, with the rule that it breaks; nil when all could.
func (w *Writer) Problems() validation.Problems { return w.problems }

// Fail notes that field, or a part of it, cannot be written.
func (w *Writer) Fail(field, rule string) {
	if len(w.problems) == 0 {
		w.problems = validation.Problems{{Field: field, Rule: rule}}
	}
}

// Put appends a bracket. One that opens a value comes after Name, Key or Next.
func (w *Writer) Put(bracket byte) { w.B = append(w.B, bracket) }

// Next begins a field or an element, with a comma unless it is the first: then an opening bracket comes last in B.
func (w *Writer) Next() {
	if last := w.B[len(w.B)-1]; last != '{' && last != '[' {
		w.B = append(w.B, ',')
	}
}

// Name begins a field.
func (w *Writer) Name(name string) {
	w.Next()
	w.B = append(append(append(w.B, '"'), name...), `":`...)
}

// Key begins a field with any name.
func (w *Writer) Key(name string) {
	w.Next()
	w.B = append(String(w.B, name), ':')
}

// Text appends a field.
func (w *Writer) Text(name, s string) {
	w.Name(name)
	w.B = String(w.B, s)
}

// Some is Text for a field that is left out when it is empty.
func (w *Writer) Some(name, s string) {
	if s != "" {
		w.Text(name, s)
	}
}

// Flag appends a field that is true, or nothing where it is not set.
func (w *Writer) Flag(name string, set bool) {
	if set {
		w.Name(name)
		w.B = append(w.B, "true"...)
	}
}

// Int appends a field.
func (w *Writer) Int(name string, n int64) {
	w.Name(name)
	w.B = strconv.AppendInt(w.B, n, 10)
}

// Time appends a field in RFC 3339. A time that it cannot represent, such as one of the year 10000, breaks the rule "rfc3339".
func (w *Writer) Time(name string, t time.Time) {
	w.Name(name)
	b, err := t.AppendText(append(w.B, '"'))
	if err != nil {
		w.Fail(name, "rfc3339")
		return
	}
	w.B = append(b, '"')
}

// Raw appends a field of raw JSON: see Value.
func (w *Writer) Raw(name string, raw json.RawMessage) {
	w.Name(name)
	w.Value(name, raw)
}

// Value appends raw JSON, the value of field or a part of it, checked and without white space. What is not JSON breaks the rule "json".
func (w *Writer) Value(field string, raw json.RawMessage) {
	b, err := jsontext.AppendFormat(w.B, raw, verbatim...)
	if err != nil {
		w.Fail(field, "json")
		return
	}
	w.B = b
}

// String appends s in quotes. Invalid bytes become U+FFFD, which is all that the error would say.
func String(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// Tolerant returns the options that make jsontext accept what encoding/json does: an object may repeat a key, and an escaped half of a
// surrogate pair stands for U+FFFD.
func Tolerant() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// verbatim is Tolerant, and changes nothing but white space.
var verbatim = slices.Concat(Tolerant(), []jsontext.Options{jsontext.PreserveRawStrings(true)})
