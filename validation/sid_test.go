package validation_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

const digits = "0123456789abcdefABCDEF0123456789"

func TestParseSID(t *testing.T) {
	for name, c := range map[string]struct {
		in       string
		prefixes []validation.Prefix
		ok       bool
	}{
		"any prefix":             {"CH" + digits, nil, true},
		"a prefix nobody knows":  {"ZZ" + digits, nil, true},
		"the prefix asked for":   {"CH" + digits, []validation.Prefix{"CH"}, true},
		"one of those asked for": {"UO" + digits, []validation.Prefix{"CH", "UO"}, true},
		"another prefix":         {"MB" + digits, []validation.Prefix{"CH", "UO"}, false},
		"empty":                  {"", nil, false},
		"prefix alone":           {"CH", nil, false},
		"one digit short":        {"CH" + digits[1:], nil, false},
		"one digit long":         {"CH" + digits + "0", nil, false},
		"lower-case prefix":      {"ch" + digits, nil, false},
		"digit in the prefix":    {"C1" + digits, nil, false},
		"no hexadecimal digit":   {"CH" + digits[1:] + "g", nil, false},
		"nor as a capital":       {"CH" + digits[1:] + "G", nil, false},
		"nor as the first digit": {"CHg" + digits[1:], nil, false},
		"space":                  {"CH" + digits[1:] + " ", nil, false},
		"newline at the end":     {"CH" + digits[1:] + "\n", nil, false},
		"subject wildcard":       {"CH" + digits[2:] + ".>", nil, false},
		"path":                   {"CH" + digits[3:] + "/..", nil, false},
		"two-byte letter":        {"CH" + digits[2:] + "é", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := validation.ParseSID(c.in, c.prefixes...)
			if ok := err == nil; ok != c.ok {
				t.Fatalf("ParseSID(%q, %v): got error %v, want ok %t", c.in, c.prefixes, err, c.ok)
			}
			if is := validation.IsSID(c.in, c.prefixes...); is != c.ok {
				t.Errorf("IsSID(%q, %v): got %t, want %t", c.in, c.prefixes, is, c.ok)
			}
			if c.ok && got != validation.SID(c.in) {
				t.Errorf("got %q, want %q", got, c.in)
			}
			if !c.ok && (got != "" || !errors.Is(err, validation.ErrIdentifier)) {
				t.Errorf("got %q and %v, want nothing and %v", got, err, validation.ErrIdentifier)
			}
		})
	}
}

func TestParseSIDErrorKeepsTheValueToItself(t *testing.T) {
	_, err := validation.ParseSID("+15558675310")
	if err == nil || strings.Contains(err.Error(), "+1555") {
		t.Errorf("got %v, want an error without the value", err)
	}
}

func TestSIDPrefix(t *testing.T) {
	for in, want := range map[validation.SID]validation.Prefix{
		"":                "",
		"C":               "",
		"CH":              validation.PrefixConversation,
		"MB" + digits:     validation.PrefixParticipant,
		"not one, anyway": "no",
	} {
		if got := in.Prefix(); got != want {
			t.Errorf("SID(%q).Prefix(): got %q, want %q", in, got, want)
		}
	}
}

// The prefixes of Twilio's specifications, then those of its documentation alone, as they stand there.
const publishedPrefixes = "AC CH MB RL IM IS MG WH US DY ME HX FW BS CR IG KD UO UT KG UX GO HQ KQ QW " +
	"WT WK WR WW WQ WS CA EV DG DF WA EZ SM RQ"

func TestPrefixes(t *testing.T) {
	all := validation.Prefixes()
	for want := range strings.FieldsSeq(publishedPrefixes) {
		if !slices.Contains(all, validation.Prefix(want)) {
			t.Errorf("Prefixes() has no %s", want)
		}
	}
	for i, p := range all {
		if !validation.IsSID(string(p)+digits, p) {
			t.Errorf("%q is no prefix of a SID", p)
		}
		if slices.Contains(all[:i], p) {
			t.Errorf("%q stands there twice", p)
		}
	}
}

func FuzzParseSID(f *testing.F) {
	pattern := regexp.MustCompile(`^[A-Z]{2}[0-9a-fA-F]{32}$`)
	for _, seed := range []string{"", "CH" + digits, "CH" + digits + "\n", "ch" + digits, "CH" + digits[2:] + "é", "CH" + digits[1:] + "*"} {
		f.Add(seed, "CH")
	}
	f.Fuzz(func(t *testing.T, s, prefix string) {
		wellFormed := pattern.MatchString(s)
		if got := validation.IsSID(s); got != wellFormed {
			t.Errorf("IsSID(%q): got %t, want %t", s, got, wellFormed)
		}
		want := wellFormed && s[:2] == prefix
		if _, err := validation.ParseSID(s, validation.Prefix(prefix)); (err == nil) != want {
			t.Errorf("ParseSID(%q, %q): got %v, want ok %t", s, prefix, err, want)
		}
	})
}

func BenchmarkParseSID(b *testing.B) {
	in := "CH" + digits
	b.ReportAllocs()
	for b.Loop() {
		if _, err := validation.ParseSID(in, validation.PrefixConversation, validation.PrefixChannel); err != nil {
			b.Fatal(err)
		}
	}
}
