package events

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// writer appends what is published, field by field, without reflection: what encoding/json writes, with nothing escaped that JSON lets
// stand, as tests check, at a fraction of the cost.
type writer struct {
	b      []byte
	failed bool // a raw value is not JSON, or a time has no year of four digits
}

// usualSize is about as many bytes as an event takes without its payload and envelope.
const usualSize = 1 << 10

// newWriter begins e's CloudEvent, up to the fields of its data, with room for e and more bytes. The attributes of any event
// without problems are what the specification requires: none is empty, source and dataschema are URIs, and time is RFC 3339.
func newWriter(stage Stage, e *Event, more int) writer {
	w := writer{b: make([]byte, 0, usualSize+len(e.Payload)+len(e.Envelope)+more)}
	w.b = append(w.b, `{"specversion":"1.0"`...)
	w.text("id", e.ID)
	w.text("source", e.envelopeSource())
	w.text("type", e.envelopeType(stage))
	w.text("subject", e.Key())
	w.text("datacontenttype", "application/json")
	w.text("dataschema", SchemaURI(stage))
	w.time("time", e.envelopeTime())
	w.name("data")
	w.put('{')
	return w
}

// size is about as many bytes as r takes with its first participant. Once that is written, participant makes room for the others.
func (r *Roster) size() int {
	if len(r.Participants) == 0 {
		return 0
	}
	p := &r.Participants[0]
	return usualSize + len(p.Attributes) + len(p.Routing)
}

// size is about as many bytes as d takes without its event.
func (d *DeadLetter) size() int {
	size := len(d.Detail) + 64*len(d.Problems) + base64.StdEncoding.EncodedLen(len(d.Body))
	if d.Event != nil {
		return size + usualSize/2
	}
	return size
}

// end ends the data and the CloudEvent. It is false when something could not be written.
func (w *writer) end() ([]byte, bool) {
	return append(w.b, "}}"...), !w.failed
}

func (w *writer) event(e *Event) {
	w.text("api", string(e.API))
	w.text("resource", e.Resource)
	w.text("action", e.Action)
	w.text("name", e.Name)
	w.text("feed", string(e.Feed))
	w.flag("pre_action", e.PreAction)
	w.some("account_sid", string(e.Account))
	w.refs(&e.Refs)
	if !e.OccurredAt.IsZero() {
		w.time("occurred_at", e.OccurredAt)
	}
	w.time("received_at", e.ReceivedAt)
	w.raw("payload", e.Payload)
	if len(e.Envelope) > 0 {
		w.raw("envelope", e.Envelope)
	}
	w.some("replay_of", e.ReplayOf)
}

func (w *writer) refs(r *Refs) {
	w.name("refs")
	w.put('{')
	for _, ref := range r.all() {
		w.some(ref.name, *ref.id)
	}
	w.ids(participantIDs, r.ParticipantIDs)
	w.put('}')
}

func (w *writer) roster(r *Roster) {
	w.name("roster")
	w.put('{')
	w.text("status", string(r.Status))
	w.text("lookup", string(r.Lookup))
	if !r.FetchedAt.IsZero() {
		w.time("fetched_at", r.FetchedAt)
	}
	w.name("participants")
	w.put('[')
	for i, p := range r.Participants {
		w.participant(p, len(r.Participants)-i)
	}
	w.put(']')
	w.ids("gone", r.Gone)
	w.put('}')
}

// mostRoom is how many bytes are allocated in advance for a participant, at most: a single large one must not multiply into
// room for all others.
const mostRoom = 1 << 10

// participant appends p and, since the others are likely to be as long, makes room for them. remaining includes p.
func (w *writer) participant(p participants.Participant, remaining int) {
	w.next()
	start := len(w.b)
	b, err := p.AppendJSON(w.b)
	if err != nil {
		w.failed = true
		return
	}
	w.b = slices.Grow(b, min(len(b)-start, mostRoom)*(remaining-1))
}

func (w *writer) letter(d *DeadLetter) {
	w.text("reason", string(d.Reason))
	w.some("detail", d.Detail)
	w.problems(d.Problems)
	w.time("failed_at", d.FailedAt)
	if d.Attempts != 0 {
		w.name("attempts")
		w.b = strconv.AppendInt(w.b, int64(d.Attempts), 10)
	}
	if d.Event != nil {
		w.name("event")
		w.put('{')
		w.event(d.Event)
		w.put('}')
	}
	w.some("feed", string(d.Feed))
	w.some("account_sid", string(d.Account))
	w.some("content_type", d.ContentType)
	if len(d.Body) > 0 {
		w.name("body")
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, d.Body)
		w.b = append(w.b, '"')
	}
	w.flag("stripped", d.Stripped)
}

func (w *writer) problems(problems validation.Problems) {
	if len(problems) == 0 {
		return
	}
	w.name("problems")
	w.put('[')
	for _, p := range problems {
		w.next()
		w.put('{')
		w.text("field", p.Field)
		w.text("rule", p.Rule)
		w.put('}')
	}
	w.put(']')
}

func (w *writer) put(bracket byte) { w.b = append(w.b, bracket) }

// next begins a field or an element, with a comma unless it is the first: then an opening bracket comes last in b.
func (w *writer) next() {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
}

// name begins a field. name must need no escaping.
func (w *writer) name(name string) {
	w.next()
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *writer) text(name, s string) {
	w.name(name)
	w.b = appendString(w.b, s)
}

// some is text for a field that is left out when it is empty.
func (w *writer) some(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

// flag appends a field that is true, and left out when it is not set.
func (w *writer) flag(name string, set bool) {
	if set {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *writer) ids(name string, ids []validation.V2ID) {
	if len(ids) == 0 {
		return
	}
	w.name(name)
	w.put('[')
	for _, id := range ids {
		w.next()
		w.b = appendString(w.b, string(id))
	}
	w.put(']')
}

func (w *writer) time(name string, t time.Time) {
	w.name(name)
	b, err := t.AppendText(append(w.b, '"'))
	if err != nil {
		w.failed = true
		return
	}
	w.b = append(b, '"')
}

// raw appends a field of raw JSON, checked and without white space.
func (w *writer) raw(name string, raw json.RawMessage) {
	w.name(name)
	b, err := jsontext.AppendFormat(w.b, raw, verbatim...)
	if err != nil {
		w.failed = true
		return
	}
	w.b = b
}

// verbatim accepts what encoding/json does, and changes nothing but white space.
var verbatim = append(slices.Clip(tolerant), jsontext.PreserveRawStrings(true))
