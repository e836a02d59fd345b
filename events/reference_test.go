package events_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/rollcall-events/rollcall/events"
)

// What is read must outlive the bytes that it was read from: servers use their buffers again.
func TestNothingReadRefersToItsBytes(t *testing.T) {
	for _, s := range samples() {
		want := parseOne(t, s.delivery)
		d := s.delivery
		d.Body = slices.Clone(d.Body)
		got := parseOne(t, d)
		clear(d.Body)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v once its body was overwritten, want %+v", s.name, got, want)
		}

		encoded, err := events.EncodeEnriched(enriched(want))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		rich, err := events.DecodeEnriched(slices.Clone(encoded))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		decoded, err := events.DecodeEnriched(encoded)
		clear(encoded)
		if err != nil || !reflect.DeepEqual(decoded, rich) {
			t.Errorf("%s: got %+v, %v once its message was overwritten, want %+v", s.name, decoded, err, rich)
		}
	}
}

func TestALetterKeepsItsBodyToItself(t *testing.T) {
	for _, feed := range []events.Feed{events.FeedConversations, events.FeedOrchestrator, events.FeedEventStreams} {
		body := []byte(`[1, "%zz"]`)
		_, letters := events.Parse(jsonDelivery(feed, body))
		if len(letters) == 0 {
			t.Fatalf("%s: got no letter, want one", feed)
		}
		want := string(letters[0].Body)
		clear(body)
		if got := string(letters[0].Body); got != want || want == "" {
			t.Errorf("%s: got %q once the body was overwritten, want %q", feed, got, want)
		}
	}
}
