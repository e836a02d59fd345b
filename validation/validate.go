package validation

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"
)

// Struct checks v, a struct or a pointer to one, against its `validate` tags and
// returns nil or Problems, in field order, fields named by their json tags: an embedded struct's
// as its own, an element of a slice by its index ("addresses[2].channel"). The tags are
// those of validator/v10 and, for strings:
//
//	sid                 a well-formed SID
//	sid=CH UO           with one of these prefixes
//	v2id                an identifier of the v2 API, leniently
//	v2id=mem_profile …  strictly formed, and of one of these families
//	rfc3339             a date and time, with or without fractions of a second
//	jsontext            structurally valid JSON
//
// A tag with a prefix or family that this package does not know is a mistake in the program:
// the first Struct of such a type panics, whatever the value. Do not `dive` into the
// values of a map: its keys would become part of Problem.Field.
func Struct(v any) error {
	checker := structs()
	checker.vet(reflect.TypeOf(v))
	err := checker.Struct(v)
	var failures validator.ValidationErrors
	if !errors.As(err, &failures) {
		return err
	}
	problems := make(Problems, len(failures))
	for i, failure := range failures {
		problems[i] = problemOf(v, failure)
	}
	return problems
}

type checker struct {
	*validator.Validate
	vetted sync.Map // reflect.Type → struct{}: its tags name only what we know
}

// structs is the one checker: it keeps what it learnt about each type.
var structs = sync.OnceValue(newChecker)

func newChecker() *checker {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(wireName)
	for tag, check := range map[string]func(value, param string) bool{
		"sid": checkSID, "v2id": checkV2ID, "rfc3339": checkRFC3339, "jsontext": checkJSONText,
	} {
		err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool {
			return check(fl.Field().String(), fl.Param())
		})
		if err != nil {
			panic(fmt.Sprintf("register validation tag %s: %v", tag, err))
		}
	}
	return &checker{Validate: v}
}

// embedded stands for an embedded struct in a path: encoding/json does not name it.
const embedded = "<embedded>"

// wireName returns what encoding/json calls the field; "" leaves its Go name.
func wireName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	switch {
	case name == "-":
		return ""
	case name == "" && field.Anonymous:
		return embedded
	}
	return name
}

func checkSID(value, param string) bool {
	if !IsSID(value) {
		return false
	}
	return param == "" || containsWord(param, value[:prefixLen])
}

func checkV2ID(value, param string) bool {
	id, err := ParseV2ID(value)
	if err != nil {
		return false
	}
	return param == "" || containsWord(param, string(id.Family()))
}

func containsWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}

// checkRFC3339 refuses what time.Parse lets pass beyond the standard: an hour of one
// digit and a comma before the fraction.
func checkRFC3339(value, _ string) bool {
	_, err := time.Parse(time.RFC3339, value)
	return err == nil && value[len("2006-01-02T15")] == ':' && !strings.Contains(value, ",")
}

func checkJSONText(value, _ string) bool { return json.Valid([]byte(value)) }

func problemOf(v any, failure validator.FieldError) Problem {
	rule := failure.Tag()
	if failure.Param() != "" && !strings.Contains(rule, "|") { // alternatives come with their parameters
		rule += "=" + failure.Param()
	}
	field := strings.TrimPrefix(failure.Namespace(), reflect.Indirect(reflect.ValueOf(v)).Type().Name()+".")
	return Problem{Field: strings.ReplaceAll(field, embedded+".", ""), Rule: rule}
}

// vet panics when a tag of t, or of a struct within it, names an unknown prefix or family.
func (c *checker) vet(t reflect.Type) {
	if _, done := c.vetted.Load(t); done {
		return
	}
	vetType(t, make(map[reflect.Type]bool))
	c.vetted.Store(t, struct{}{})
}

// vetType is vet of all that is not yet seen: a type may contain itself.
func vetType(t reflect.Type, seen map[reflect.Type]bool) {
	for t != nil && slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, t.Kind()) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for field := range t.Fields() {
		vetTag(t, field)
		vetType(field.Type, seen)
	}
}

func vetTag(t reflect.Type, field reflect.StructField) {
	for rule := range strings.FieldsFuncSeq(field.Tag.Get("validate"), func(r rune) bool { return r == ',' || r == '|' }) {
		tag, param, _ := strings.Cut(rule, "=")
		for word := range strings.FieldsSeq(param) {
			if tag == "sid" && !slices.Contains(Prefixes(), Prefix(word)) ||
				tag == "v2id" && !slices.Contains(Families(), Family(word)) {
				panic(fmt.Sprintf("%s.%s: validate tag %s=%s names no known %s", t, field.Name, tag, word, tag))
			}
		}
	}
}
