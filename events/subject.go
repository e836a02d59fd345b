package events

import "strings"

// Stage is the first token after "rollcall" of a subject.
type Stage string

// The stages of an event.
const (
	StageRaw      Stage = "raw"
	StageEnriched Stage = "enriched"
	StageDead     Stage = "dead"
)

// Subject is where an event is published at a stage:
//
//	rollcall.<stage>.<api>.<resource>.<action>.<key>
//
// Every token comes from a closed table or is a checked identifier: an event that was
// not made by Parse or by a decoder cannot bring another one in.
func (e Event) Subject(stage Stage) string {
	api, resource, action := e.path()
	return "rollcall." + string(stage) + "." + api + "." + resource + "." + action + "." + e.Key()
}

// path is the event's tokens of a subject and of a CloudEvents type.
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

// isWord reports whether s can be a row's resource or action. A row of a newer
// version passes: it is no less safe in a subject.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Pattern returns the subject that matches every event of a stage with the given
// tokens, "" standing for any: Pattern(StageEnriched, "", "participant", "", "") is
// "rollcall.enriched.*.participant.*.*". The tokens are the caller's own, and not checked.
func Pattern(stage Stage, api API, resource, action, key string) string {
	parts := []string{"rollcall", string(stage), string(api), resource, action, key}
	for i, p := range parts {
		if p == "" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}
