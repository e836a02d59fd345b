package events_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	json1 "github.com/go-json-experiment/json/v1"

	"github.com/rollcall-events/rollcall/events"
)

// checkParsed checks what must hold of any delivery.
func checkParsed(t *testing.T, d events.Delivery) {
	t.Helper()
	checkSubjects(t, d)
	accepted, rejected := events.Parse(d)
	for _, e := range accepted {
		b, err := events.EncodeRaw(e)
		if err != nil {
			t.Fatalf("EncodeRaw refused what Parse accepted: %v", err)
		}
		back, err := events.DecodeRaw(b)
		if err != nil {
			t.Fatalf("DecodeRaw refused what EncodeRaw wrote: %v", err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("got %+v, want %+v", back, e)
		}
	}
	for _, l := range rejected {
		b, err := events.EncodeDead(l)
		if err != nil {
			t.Fatalf("EncodeDead refused a letter of Parse: %v", err)
		}
		if _, err := events.DecodeDead(b); err != nil {
			t.Fatalf("DecodeDead refused what EncodeDead wrote: %v", err)
		}
	}
	again, buried := events.Parse(d)
	if !reflect.DeepEqual(again, accepted) || !reflect.DeepEqual(buried, rejected) {
		t.Fatal("the same delivery twice: got two results")
	}
}

func FuzzParseForm(f *testing.F) {
	for _, s := range samples() {
		if !strings.HasPrefix(s.name, "form/") {
			continue
		}
		f.Add(string(s.delivery.Body), s.delivery.Feed == events.FeedFlex)
	}
	for _, value := range hostile {
		f.Add("EventType="+value+"&ConversationSid="+value, false)
	}
	f.Fuzz(func(t *testing.T, body string, flex bool) {
		feed := events.FeedConversations
		if flex {
			feed = events.FeedFlex
		}
		d := formDelivery(feed, body)
		checkParsed(t, d)
		d.Method, d.Query, d.Body = "GET", body, nil
		checkParsed(t, d)
		if accepted, rejected := events.Parse(d); len(accepted)+len(rejected) != 1 {
			t.Errorf("got %d events and %d letters, want one in all", len(accepted), len(rejected))
		}
	})
}

func FuzzParseOrchestrator(f *testing.F) {
	for _, s := range samples() {
		if s.delivery.Feed == events.FeedOrchestrator {
			f.Add(s.delivery.Body)
		}
	}
	f.Add([]byte(`{"eventType":"X","data":[1e999,-0.0,"\ud800",{"":{}}]}`))
	f.Add([]byte(`{"eventType":"<&>\u2028\u2029\u0001\b\f\u007f ’","b":[true,false,null,[],{}],"a":{"\ufb33":1,"\ud83d\ude00":1.10}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := jsonDelivery(events.FeedOrchestrator, body)
		checkParsed(t, d)
		accepted, rejected := events.Parse(d)
		if len(accepted)+len(rejected) != 1 {
			t.Errorf("got %d events and %d letters, want one in all", len(accepted), len(rejected))
		}
		for _, e := range accepted {
			if !utf8.Valid(body) || !sameJSON(body, e.Payload) {
				t.Errorf("got payload %s, want %s", e.Payload, body)
			}
			if want := canonical(t, body); string(e.Payload) != want {
				t.Errorf("got payload %s, want it written as %s", e.Payload, want)
			}
		}
	})
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return decodeNumbers(a, &x) == nil && decodeNumbers(b, &y) == nil && reflect.DeepEqual(x, y)
}

func decodeNumbers(b []byte, v any) error {
	if !json.Valid(b) {
		return json.Unmarshal(b, v)
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	return dec.Decode(v)
}

// canonical is what an ID is made from: keys sorted, no white space, nothing escaped that need not be.
func canonical(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	dec := json1.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := plainly(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func FuzzParseEventStreams(f *testing.F) {
	for _, s := range samples() {
		if s.delivery.Feed == events.FeedEventStreams {
			f.Add(s.delivery.Body)
		}
	}
	f.Add([]byte(`[{"type":"x","data":"{\"a\":\"{}\"}"},null,[],{"type":1},{}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := jsonDelivery(events.FeedEventStreams, body)
		checkParsed(t, d)
		accepted, rejected := events.Parse(d)
		want := 1
		var items []json.RawMessage
		if json.Unmarshal(body, &items) == nil && items != nil {
			want = len(items)
		}
		unparseable := len(rejected) == 1 && rejected[0].Reason == events.ReasonUnparseable
		if got := len(accepted) + len(rejected); got != want && !unparseable {
			t.Errorf("got %d results, want %d", got, want)
		}
	})
}

func FuzzDecodeRaw(f *testing.F) {
	f.Add(rawMessage(f))
	f.Add([]byte(`{"specversion":"1.0","data":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := events.DecodeRaw(b)
		if err != nil {
			return
		}
		if got := e.Subject(events.StageRaw); !safe.MatchString(got) {
			t.Errorf("got the subject %q", got)
		}
		again, err := events.EncodeRaw(e)
		if err != nil {
			t.Fatalf("EncodeRaw refused what DecodeRaw accepted: %v", err)
		}
		if _, err := events.DecodeRaw(again); err != nil {
			t.Errorf("DecodeRaw refused what EncodeRaw wrote: %v", err)
		}
	})
}

func FuzzDecodeEnriched(f *testing.F) {
	for _, s := range samples() {
		accepted, _ := events.Parse(s.delivery)
		for _, e := range accepted {
			b, err := events.EncodeEnriched(enriched(e))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := events.DecodeEnriched(b)
		if err != nil {
			return
		}
		if got := e.Subject(events.StageEnriched); !safe.MatchString(got) {
			t.Errorf("got the subject %q", got)
		}
		if e.Roster.Participants == nil {
			t.Error("got no list of participants")
		}
		if _, err := events.EncodeEnriched(e); err != nil {
			t.Errorf("EncodeEnriched refused what DecodeEnriched accepted: %v", err)
		}
	})
}
