package participants

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds how deeply an answer's values nest, since they are published inside further objects: encoding/json,
// which consumers may use, refuses what nests deeper than 10,000.
const maxDepth = 512

// asked is what an answer must be about. Empty fields were not asked for.
type asked struct {
	account      string
	conversation string
	interaction  string
	channel      string
	participant  string
}

// newDocument returns body as an object. If it is not a valid one, that is reported, and the object has no fields.
func newDocument(body []byte, r *report) object {
	if rule := textRule(body); rule != "" {
		r.problem("body", rule)
		return object{report: r}
	}
	const usual = 4 // fields: a list has participants and meta
	fields, ok := r.split.members(body, make([]member, 0, usual))
	if ok {
		return object{fields: fields, report: r}
	}
	if jsontext.Value(body).IsValid(tolerant...) {
		r.problem("body", "object")
	} else {
		r.problem("body", "json")
	}
	return object{report: r}
}

// textRule returns the rule that body breaks before it is parsed; "" for none.
func textRule(body []byte) string {
	switch {
	case !utf8.Valid(body):
		return "utf8"
	case tooDeep(body):
		return fmt.Sprintf("depth=%d", maxDepth)
	default:
		return ""
	}
}

// tooDeep reports whether JSON text nests deeper than maxDepth. It need not be valid.
func tooDeep(text []byte) bool {
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= maxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// participantsOf decodes each item of the answer's list.
func participantsOf(whole object, decode func(object) Participant) []Participant {
	whole.require("participants")
	items := whole.array("participants")
	all := make([]Participant, 0, len(items))
	var o object
	for i, item := range items {
		if whole.report.full() {
			break
		}
		o = newObject("participants["+strconv.Itoa(i)+"]", item, o, whole.report)
		all = append(all, decode(o))
	}
	return all
}

// nextPageURL returns the link to the next page of a v1 or Flex list. meta is required: without it there is no telling
// whether the list is complete.
func nextPageURL(whole object) string {
	whole.require("meta")
	raw := whole.raw("meta")
	if raw == nil {
		return ""
	}
	return whole.report.nested("meta", raw).plain("next_page_url")
}
