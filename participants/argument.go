package participants

import "github.com/rollcall-events/rollcall/validation"

// argument is a SID that a caller passed. One that was converted from a string rather than parsed could name
// another resource (".."), so it is checked before it becomes part of a path.
type argument struct {
	name   string
	value  validation.SID
	prefix validation.Prefix
}

// checkArguments returns an *Error for those that are malformed. The service is optional.
func checkArguments(operation string, arguments ...argument) error {
	var problems validation.Problems
	for _, a := range arguments {
		if a.name == "service" && a.value == "" {
			continue
		}
		if !validation.IsSID(string(a.value), a.prefix) {
			problems = append(problems, validation.Problem{Field: a.name, Rule: "sid=" + string(a.prefix)})
		}
	}
	return argumentError(operation, problems)
}

// v2Argument is a v2 identifier that a caller passed.
type v2Argument struct {
	name  string
	value validation.V2ID
}

// checkV2Arguments returns an *Error for those that are malformed.
func checkV2Arguments(operation string, arguments ...v2Argument) error {
	var problems validation.Problems
	for _, a := range arguments {
		if _, err := validation.ParseV2ID(string(a.value)); err != nil {
			problems = append(problems, validation.Problem{Field: a.name, Rule: "v2id"})
		}
	}
	return argumentError(operation, problems)
}

func argumentError(operation string, problems validation.Problems) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{Failure: FailureArgument, Operation: operation, Problems: problems}
}
