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

// Struct checks v, a struct or a pointer to one, against its `validate` tags. The error is nil or
// Problems, in the order of the fields. Fields have their names in JSON; those of an embedded struct
// count as fields of v, and an element of a slice is named by its index ("addresses[2].channel").
// The tags are those of github.com/go-playground/validator/v10 and, for strings:
//
//	sid                 a SID, as ParseSID accepts it
//	sid=CH UO           a SID with one of these prefixes
//	v2id                an identifier of the v2 API, as ParseV2ID accepts it
//	v2id=mem_profile …  one whose V2ID.Family is one of these
//	rfc3339             a date and time, with or without fractions of a second
//	jsontext            structurally valid JSON
//
// Struct panics for a type with a tag that names an unknown prefix or family, whatever the value,
// since that is a mistake in the program. Do not `dive` into the values of a map: its keys, which may be
// data, would become part of Problem.Field. Struct is safe for concurrent use.
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
	vetted sync.Map // reflect.Type → struct{}: the types whose tags name known prefixes and families only
}

// structs returns the only checker, since it caches what it learns about each type.
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

// embedded stands for an embedded struct in a field's path, until problemOf removes it: encoding/json does not name it.
const embedded = "<embedded>"

// wireName returns what encoding/json calls the field; "" for validator to use its Go name.
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

// checkRFC3339 refuses what time.Parse accepts beyond the standard: an hour of one
// digit, and a comma before the fraction.
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

// vetType is vet without the types in seen: a type may contain itself.
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
