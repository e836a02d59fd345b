package events

import (
	"encoding/base64"
	"slices"

	"github.com/rollcall-events/rollcall/internal/jsonappend"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// writer appends what is published: what encoding/json writes, as tests check.
type writer struct{ jsonappend.Writer }

// usualSize is about as many bytes as an event takes without its payload and envelope.
const usualSize = 1 << 10

// newWriter begins e's CloudEvent, up to the fields of its data, with room for e and more bytes. The attributes of any event
// without problems are what the specification requires: none is empty, source and dataschema are URIs, and time is RFC 3339.
func newWriter(stage Stage, e *Event, more int) writer {
	w := writer{jsonappend.Writer{B: make([]byte, 0, usualSize+len(e.Payload)+len(e.Envelope)+more)}}
	w.B = append(w.B, `{"specversion":"1.0"`...)
	w.Text("id", e.ID)
	w.Text("source", e.envelopeSource())
	w.Text("type", e.envelopeType(stage))
	w.Text("subject", e.Key())
	w.Text("datacontenttype", "application/json")
	w.Text("dataschema", SchemaURI(stage))
	w.Time("time", e.envelopeTime())
	w.Name("data")
	w.Put('{')
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
	return append(w.B, "}}"...), w.Problems() == nil
}

func (w *writer) event(e *Event) {
	w.Text("api", string(e.API))
	w.Text("resource", e.Resource)
	w.Text("action", e.Action)
	w.Text("name", e.Name)
	w.Text("feed", string(e.Feed))
	w.Flag("pre_action", e.PreAction)
	w.Some("account_sid", string(e.Account))
	w.refs(&e.Refs)
	if !e.OccurredAt.IsZero() {
		w.Time("occurred_at", e.OccurredAt)
	}
	w.Time("received_at", e.ReceivedAt)
	w.Raw("payload", e.Payload)
	if len(e.Envelope) > 0 {
		w.Raw("envelope", e.Envelope)
	}
	w.Some("replay_of", e.ReplayOf)
}

func (w *writer) refs(r *Refs) {
	w.Name("refs")
	w.Put('{')
	for _, ref := range r.all() {
		w.Some(ref.name, *ref.id)
	}
	w.ids(participantIDs, r.ParticipantIDs)
	w.Put('}')
}

func (w *writer) roster(r *Roster) {
	w.Name("roster")
	w.Put('{')
	w.Text("status", string(r.Status))
	w.Text("lookup", string(r.Lookup))
	if !r.FetchedAt.IsZero() {
		w.Time("fetched_at", r.FetchedAt)
	}
	w.Name("participants")
	w.Put('[')
	for i, p := range r.Participants {
		w.participant(p, len(r.Participants)-i)
	}
	w.Put(']')
	w.ids("gone", r.Gone)
	w.Put('}')
}

// mostRoom is how many bytes are allocated in advance for a participant, at most: a single large one must not multiply into
// room for all others.
const mostRoom = 1 << 10

// participant appends p and, since the others are likely to be as long, makes room for them. remaining includes p.
func (w *writer) participant(p participants.Participant, remaining int) {
	w.Next()
	start := len(w.B)
	b, err := p.AppendJSON(w.B)
	if err != nil {
		w.Fail("roster.participants", "json")
		return
	}
	w.B = slices.Grow(b, min(len(b)-start, mostRoom)*(remaining-1))
}

func (w *writer) letter(d *DeadLetter) {
	w.Text("reason", string(d.Reason))
	w.Some("detail", d.Detail)
	w.problems(d.Problems)
	w.Time("failed_at", d.FailedAt)
	if d.Attempts != 0 {
		w.Int("attempts", int64(d.Attempts))
	}
	if d.Event != nil {
		w.Name("event")
		w.Put('{')
		w.event(d.Event)
		w.Put('}')
	}
	w.Some("feed", string(d.Feed))
	w.Some("account_sid", string(d.Account))
	w.Some("content_type", d.ContentType)
	if len(d.Body) > 0 {
		w.Name("body")
		w.B = append(w.B, '"')
		w.B = base64.StdEncoding.AppendEncode(w.B, d.Body)
		w.B = append(w.B, '"')
	}
	w.Flag("stripped", d.Stripped)
}

func (w *writer) problems(problems validation.Problems) {
	if len(problems) == 0 {
		return
	}
	w.Name("problems")
	w.Put('[')
	for _, p := range problems {
		w.Next()
		w.Put('{')
		w.Text("field", p.Field)
		w.Text("rule", p.Rule)
		w.Put('}')
	}
	w.Put(']')
}

func (w *writer) ids(name string, ids []validation.V2ID) {
	if len(ids) == 0 {
		return
	}
	w.Name(name)
	w.Put('[')
	for _, id := range ids {
		w.Next()
		w.B = jsonappend.String(w.B, string(id))
	}
	w.Put(']')
}
