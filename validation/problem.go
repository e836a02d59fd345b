package validation

import "strings"

// Problem is one rule that one field breaks. It never carries the value: a
// problem is fit for a log line, a metric label or a dead letter.
type Problem struct {
	Field string `json:"field"` // the field's wire name, dotted for nested fields: "messaging_binding.type"
	Rule  string `json:"rule"`  // the rule with its parameter: "required", "sid=CH", "max=256"
}

func (p Problem) String() string { return p.Field + ": " + p.Rule }

// Problems is everything that is wrong with one value, in field order.
// It is an error; a nil or empty Problems must be returned as a nil error.
type Problems []Problem

func (ps Problems) Error() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.String()
	}
	return strings.Join(parts, "; ")
}
