package events

import "strings"

// Stage is how far an event has come, and the token after "rollcall" of its subject.
type Stage string

// The stages. Every event is raw first, and then either enriched or dead; what Parse rejects is dead without having been raw.
const (
	StageRaw      Stage = "raw"      // an Event, as it was received
	StageEnriched Stage = "enriched" // an Enriched
	StageDead     Stage = "dead"     // a DeadLetter
)

// Subject returns the subject that e is published on at a stage:
//
//	rollcall.<stage>.<api>.<resource>.<action>.<key>
//
// Whatever e holds, each of the last four is a single, safe token: an api, resource or action that cannot be one
// becomes Unknown, and an identifier that cannot be one is not used as the key.
func (e Event) Subject(stage Stage) string {
	api, resource, action := e.path()
	return "rollcall." + string(stage) + "." + api + "." + resource + "." + action + "." + e.Key()
}

// path returns the tokens that are common to e's subject and its CloudEvents type.
func (e Event) path() (api, resource, action string) {
	api, resource, action = string(e.API), e.Resource, e.Action
	if !knownAPI(e.API) {
		api = Unknown
	}
	if !isWord(resource) || !isWord(action) {
		resource, action = Unknown, Unknown
	}
	return api, resource, action
}

// isWord reports whether s can be a resource or an action: those of a newer version's kinds
// too, since they are as safe in a subject.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Pattern returns the subject filter that matches every message at a stage with the given tokens. "" matches any:
// Pattern(StageEnriched, "", "participant", "", "") is "rollcall.enriched.*.participant.*.*". The tokens are
// used as they are, without a check: do not pass untrusted text.
func Pattern(stage Stage, api API, resource, action, key string) string {
	parts := []string{"rollcall", string(stage), string(api), resource, action, key}
	for i, p := range parts {
		if p == "" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}
