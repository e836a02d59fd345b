package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// UnmarshalJSON implements json.Unmarshaler. It refuses unknown fields, since a misspelt one would make another
// fault, and values that are out of range.
func (f *Fault) UnmarshalJSON(text []byte) error {
	type plain Fault
	script := struct {
		*plain
		Latency latency `json:"latency"`
	}{plain: (*plain)(f)}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&script); err != nil {
		return err
	}
	f.Latency = time.Duration(script.Latency)
	return f.check()
}

// latency is a duration as nanoseconds or as "250ms".
type latency time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (l *latency) UnmarshalJSON(text []byte) error {
	var words string
	if json.Unmarshal(text, &words) != nil {
		return json.Unmarshal(text, (*time.Duration)(l))
	}
	d, err := time.ParseDuration(words)
	if err != nil {
		return fmt.Errorf("latency: got %q, want a duration such as 250ms", words)
	}
	*l = latency(d)
	return nil
}

// check returns an error that names every field of f that is wrong.
func (f *Fault) check() error {
	var problems []error
	wrong := func(name string, got any, want string) {
		problems = append(problems, fmt.Errorf("%s: got %v, want %s", name, got, want))
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"concurrency", f.Concurrency}, {"every", f.Every}, {"times", f.Times}, {"latency", int(f.Latency)}} {
		if n.value < 0 {
			wrong(n.name, n.value, "0 or more")
		}
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		wrong("status", f.Status, "200 to 599")
	}
	if _, err := validation.ParseSID(string(f.Account), validation.PrefixAccount); f.Account != "" && err != nil {
		wrong("account", f.Account, "an account SID")
	}
	switch f.Wrong {
	case "", WrongAccount, WrongConversation, WrongParticipant, WrongFormat:
	default:
		wrong("wrong", f.Wrong, "account, conversation, participant or format")
	}
	if away, ok := strings.CutPrefix(f.RetryAfter, "+"); ok {
		if _, err := time.ParseDuration(away); err != nil {
			wrong("retry_after", f.RetryAfter, "a duration such as +7s after the plus sign")
		}
	}
	return errors.Join(problems...)
}
