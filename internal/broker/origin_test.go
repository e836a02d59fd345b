package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestSourceOrigin(t *testing.T) {
	const good = "ROLLCALL_RAW 42 rollcall.raw.*.*.*.* rollcall.queue.{{partition(8,4)}}.{{wildcard(4)}} rollcall.raw.a.b.c.CH0 RaBcDeFg"
	tests := []struct {
		name, header string
		want         origin
	}{
		{"2.15", good, origin{"RaBcDeFg", 42}},
		{"before 2.15", strings.TrimSuffix(good, " RaBcDeFg"), origin{}},
		{"an acknowledgement's subject", "$JS.ACK.ROLLCALL_RAW.x.1.42.1.0.0", origin{}},
		{"another stream", strings.Replace(good, "ROLLCALL_RAW", "OTHER", 1), origin{}},
		{"sequence zero", strings.Replace(good, " 42 ", " 0 ", 1), origin{}},
		{"no number", strings.Replace(good, " 42 ", " -1 ", 1), origin{}},
		{"none", "", origin{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sourceOrigin(nats.Header{headerStreamSource: {tt.header}}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestReaches(t *testing.T) {
	tests := []struct {
		a, b origin
		want bool
	}{
		{origin{"x", 5}, origin{"x", 5}, true},
		{origin{"x", 5}, origin{"x", 4}, true},
		{origin{"x", 5}, origin{"x", 6}, false},
		{origin{"x", 5}, origin{"y", 4}, false},
		{origin{}, origin{}, false},
		{origin{"", 5}, origin{"", 4}, false},
	}
	for _, tt := range tests {
		if got := tt.a.reaches(tt.b); got != tt.want {
			t.Errorf("%+v reaches %+v: got %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzSourceOrigin(f *testing.F) {
	f.Add("ROLLCALL_RAW 42 a b c d", "rollcall.queue.0.CH0")
	f.Add("$JS.ACK.ROLLCALL_RAW.x.1.42.1.0.0", "rollcall.queue.>")
	f.Fuzz(func(t *testing.T, header, subject string) {
		o := sourceOrigin(nats.Header{headerStreamSource: {header}})
		if o.known() != (o != origin{}) {
			t.Errorf("got %+v, want it known or zero", o)
		}
		h := nats.Header{}
		o.write(h)
		if got := carriedOrigin(h); got != o {
			t.Errorf("written and read: got %+v, want %+v", got, o)
		}
		if k, ok := keyOf(subject); ok && (strings.Count(subject, ".") != 3 || !strings.HasSuffix(subject, "."+k)) {
			t.Errorf("%q: got %q, want the last of four tokens", subject, k)
		}
	})
}
