package events

import (
	"errors"
	"strings"

	json "github.com/go-json-experiment/json/v1"

	"github.com/rollcall-events/rollcall/validation"
)

// envelope is the part of a CloudEvent that decoders read.
type envelope struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source"`
	Subject     string          `json:"subject"`
	DataSchema  string          `json:"dataschema"`
	Data        json.RawMessage `json:"data"`
}

// decode reads b's envelope and, if it is one of ours at stage, its data into data.
func decode(b []byte, stage Stage, data any) (envelope, error) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return env, unmarshalProblems("envelope", err)
	}
	if problems := env.foreign(stage); len(problems) > 0 {
		return env, problems
	}
	if err := json.Unmarshal(env.Data, data); err != nil {
		return env, unmarshalProblems("data", err)
	}
	return env, nil
}

// unmarshalProblems returns err as Problems, without the values that its text may quote.
func unmarshalProblems(field string, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" && wrong.Err == nil {
		return validation.Problems{{Field: wrong.Field, Rule: "type=" + wrong.Type.String()}}
	}
	return validation.Problems{{Field: field, Rule: "json"}}
}

// foreign returns why the envelope is not one of ours at stage.
func (env envelope) foreign(stage Stage) validation.Problems {
	prefix := typePrefix + string(stage) + "."
	var p problems
	p.unless(env.SpecVersion == "1.0", "specversion", "eq=1.0")
	p.unless(strings.HasPrefix(env.Type, prefix), "type", "prefix="+prefix)
	p.unless(env.DataSchema == SchemaURI(stage), "dataschema", "eq="+SchemaURI(stage))
	p.unless(len(env.Data) > 0 && env.Data[0] == '{', "data", "object")
	return validation.Problems(p)
}

// mismatch returns where the envelope contradicts e, its data.
func (env envelope) mismatch(stage Stage, e Event) validation.Problems {
	var p problems
	p.unless(env.Type == e.envelopeType(stage), "type", "matches data")
	p.unless(env.Source == e.envelopeSource(), "source", "matches data")
	p.unless(env.Subject == e.Key(), "subject", "matches data")
	return validation.Problems(p)
}
