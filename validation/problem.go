package validation

import "strings"

// Problem is one rule that one field breaks. It never carries the field's value, so that it
// is fit for a log line or a dead letter.
type Problem struct {
	Field string `json:"field"` // the field's name in JSON, with the path to a nested one: "messaging_binding.type", "participant_ids[2]"
	Rule  string `json:"rule"`  // the rule and its parameter: "required", "sid=CH", "max=256"
}

// String returns "field: rule".
func (p Problem) String() string { return p.Field + ": " + p.Rule }

// Problems are the rules that one value breaks, in the order of its fields. As an error they
// are never empty: where there is no problem, the error is nil.
type Problems []Problem

// Error returns all problems on one line.
func (ps Problems) Error() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.String()
	}
	return strings.Join(parts, "; ")
}
