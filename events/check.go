package events

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/validation"
)

// problems collects what is wrong with one value.
type problems validation.Problems

func (p *problems) unless(ok bool, field, rule string) {
	if !ok {
		*p = append(*p, validation.Problem{Field: field, Rule: rule})
	}
}

// problems returns what is wrong with e. object tells whether raw JSON is an object: isObject or, where the JSON is read
// or written and so checked anyway, beginsObject.
func (e Event) problems(object func(json.RawMessage) bool) validation.Problems {
	kind := e.row()
	p := e.shapeProblems(object)
	p.unless(e.PreAction == kind.Pre || !kind.known(), "pre_action", "matches kind")
	p.unless(e.Account != "" || kind.Lookup == LookupNone, "account_sid", "required")
	malformed := e.Refs.malformed()
	p = append(p, malformed...)
	return append(validation.Problems(p), e.Refs.missing(kind, malformed)...)
}

// shapeProblems returns what is wrong with e, apart from what its kind requires.
func (e Event) shapeProblems(object func(json.RawMessage) bool) problems {
	var p problems
	p.unless(isID(e.ID), "id", "id")
	p.unless(knownAPI(e.API), "api", "oneof=conversations flex orchestrator")
	p.unless(isWord(e.Resource), "resource", "token")
	p.unless(isWord(e.Action), "action", "token")
	p.unless(e.Name != "", "name", "required")
	p.unless(len(e.Name) <= MaxName, "name", "max=128")
	p.unless(knownAPI(e.Feed.api()), "feed", "oneof=conversations flex orchestrator event-streams")
	p.unless(isAccount(e.Account), "account_sid", "sid=AC")
	p.unless(!e.ReceivedAt.IsZero(), "received_at", "required")
	p.unless(object(e.Payload), "payload", "object")
	p.unless(e.Envelope == nil || object(e.Envelope), "envelope", "object")
	p.unless(e.ReplayOf == "" || isID(e.ReplayOf), "replay_of", "id")
	return p
}

// isAccount reports whether sid can be an event's account, which may be absent.
func isAccount(sid validation.SID) bool {
	return sid == "" || validation.IsSID(string(sid), validation.PrefixAccount)
}

func beginsObject(raw json.RawMessage) bool { return bytes.HasPrefix(raw, []byte("{")) }

func isObject(raw json.RawMessage) bool {
	return beginsObject(raw) && jsontext.Value(raw).IsValid(tolerant...)
}

// problems returns what is wrong with r.
func (r Roster) problems() validation.Problems {
	var p problems
	p.unless(slices.Contains(rosterStatuses(), r.Status), "roster.status", "oneof=resolved gone not_needed")
	p.unless(slices.Contains(lookups(), r.Lookup), "roster.lookup", "oneof=none conversation channel participants v2-conversation")
	return validation.Problems(p)
}

func rosterStatuses() []RosterStatus {
	return []RosterStatus{RosterResolved, RosterGone, RosterNotNeeded}
}

func lookups() []Lookup {
	return []Lookup{LookupNone, LookupConversation, LookupChannel, LookupParticipants, LookupV2}
}

// problems returns what is wrong with d.
func (d DeadLetter) problems(object func(json.RawMessage) bool) validation.Problems {
	var p problems
	p.unless(isID(d.ID), "id", "id")
	p.unless(slices.Contains(Reasons(), d.Reason), "reason", "oneof")
	p.unless(!d.FailedAt.IsZero(), "failed_at", "required")
	p.unless(d.Feed == "" || knownAPI(d.Feed.api()), "feed", "oneof=conversations flex orchestrator event-streams")
	p.unless(isAccount(d.Account), "account_sid", "sid=AC")
	if d.Event != nil {
		e := *d.Event
		e.ID = d.ID
		p = append(append(p, e.shapeProblems(object)...), e.Refs.malformed()...)
	}
	return validation.Problems(p)
}
