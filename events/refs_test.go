package events_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

// The tags of Refs say what each identifier may be, and events are checked without them where nothing is wrong. Every field
// in turn is given an identifier of every kind, and malformed ones: an event is refused for exactly what the tags say.
func TestIdentifiersAreWhatTheirTagsSay(t *testing.T) {
	values := []string{"", "x", "CH*", "a b", conv, conv + ".>", strings.Repeat("a", 129)}
	for _, prefix := range append(validation.Prefixes(), "ZZ", "ch") {
		values = append(values, string(prefix)+chat[2:], string(prefix)+chat[3:])
	}
	e := parseOne(t, formDelivery(events.FeedConversations, "EventType=onNew"))
	for field := range reflect.TypeFor[events.Refs]().Fields() {
		for _, value := range values {
			e.Refs = events.Refs{}
			set(reflect.ValueOf(&e.Refs).Elem().FieldByIndex(field.Index), value)
			want, _ := errors.AsType[validation.Problems](validation.Struct(&e.Refs))
			_, err := events.EncodeRaw(e)
			if got, _ := errors.AsType[validation.Problems](err); !slices.Equal(got, want) {
				t.Errorf("%s = %q: got %v, want %v", field.Name, value, got, want)
			}
		}
	}
}

// set gives a string field its value, and a list that after one that is well formed.
func set(field reflect.Value, value string) {
	if field.Kind() == reflect.String {
		field.SetString(value)
		return
	}
	field.Set(reflect.ValueOf([]validation.V2ID{customer, validation.V2ID(value)}))
}
