package participants

import "github.com/rollcall-events/rollcall/validation"

// maxProblems bounds what an Error carries: 1,000 broken participants need not be 1,000 problems.
const maxProblems = 20

// report collects the problems of one answer while it is decoded. Their rules, and how they are broken, are:
//
//	required              absent or null
//	not_null              null
//	object, array, string, integer
//	                      another type of JSON value
//	sid=XX, v2id          not an identifier of that form
//	max=256               too many characters
//	requested             not what was asked for
//	jsontext              a string that does not hold structurally valid JSON
//	rfc3339, uri          not a date-time, not an absolute URI
//	json, utf8, depth=512 the body is not JSON, not UTF-8, or nested too deeply to be passed on
type report struct {
	api        API
	problems   validation.Problems
	unexpected func(api API, field string)
	split      splitter
	spent      object // the last one that nested returned
}

// nested is newObject for an object that is not read any more when nested is called again.
func (r *report) nested(path string, raw []byte) object {
	r.spent = newObject(path, raw, r.spent, r)
	return r.spent
}

func (r *report) problem(field, rule string) {
	if !r.full() {
		r.problems = append(r.problems, validation.Problem{Field: field, Rule: rule})
	}
}

func (r *report) full() bool { return len(r.problems) >= maxProblems }

func (r *report) notice(field string) {
	if r.unexpected != nil {
		r.unexpected(r.api, field)
	}
}
