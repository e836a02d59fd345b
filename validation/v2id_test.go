package validation_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

func TestParseV2ID(t *testing.T) {
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"typed":                 {"conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2", true},
		"older family":          {"comms_participant_01k1etk2y5f1y9fpe2epfdtvv2", true},
		"the page's own sample": {"conversationId", true},
		"dash":                  {"a-b", true},
		"one byte":              {"0", true},
		"128 bytes":             {strings.Repeat("x", 128), true},
		"129 bytes":             {strings.Repeat("x", 129), false},
		"empty":                 {"", false},
		"dot":                   {"a.b", false},
		"star":                  {"*", false},
		"greater":               {">", false},
		"slash":                 {"a/b", false},
		"space":                 {"a b", false},
		"percent":               {"a%2e", false},
		"newline":               {"a\n", false},
		"control":               {"a\x00", false},
		"letter beyond ASCII":   {"é", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := validation.ParseV2ID(c.in)
			if ok := err == nil; ok != c.ok {
				t.Fatalf("ParseV2ID(%q): got error %v, want ok %t", c.in, err, c.ok)
			}
			if c.ok && got != validation.V2ID(c.in) {
				t.Errorf("got %q, want %q", got, c.in)
			}
			if !c.ok && (got != "" || !errors.Is(err, validation.ErrIdentifier)) {
				t.Errorf("got %q and %v, want nothing and %v", got, err, validation.ErrIdentifier)
			}
		})
	}
}

const v2Suffix = "01k1etk2y5f1y9fpe2epfdtvv2" // untyped: it completes identifiers of every type

func TestV2IDFamily(t *testing.T) {
	for in, want := range map[validation.V2ID]validation.Family{
		"conv_conversation_" + v2Suffix:                validation.FamilyConversation,
		"conv_participant_01k1etx3jbfx88476ccja0889c":  validation.FamilyParticipant,
		"mem_profile_00000000000000000000000000":       validation.FamilyProfile,
		"flex_interactionwebhook_" + v2Suffix:          validation.FamilyInteractionWebhook,
		"comms_participant_" + v2Suffix:                "comms_participant",
		"one_" + v2Suffix:                              "one",
		"conv_conversation_81k1etk2y5f1y9fpe2epfdtvv2": "", // first digit above 7
		"conv_conversation_01K1ETK2Y5F1Y9FPE2EPFDTVV2": "", // capitals
		"conv_conversation_1k1etk2y5f1y9fpe2epfdtvv2":  "",
		"conv_conversation_" + v2Suffix + "0":          "",
		"conv__conversation_" + v2Suffix:               "",
		"Conv_conversation_" + v2Suffix:                "",
		"_conv_" + v2Suffix:                            "",
		"_" + v2Suffix:                                 "",
		v2Suffix:                                       "",
		"conv_conversation_":                           "",
		"":                                             "",
	} {
		if got := in.Family(); got != want {
			t.Errorf("V2ID(%q).Family(): got %q, want %q", in, got, want)
		}
	}
}

func TestFamilies(t *testing.T) {
	all := validation.Families()
	for i, family := range all {
		if got := validation.V2ID(string(family) + "_" + v2Suffix).Family(); got != family {
			t.Errorf("got %q, want %q", got, family)
		}
		if slices.Contains(all[:i], family) {
			t.Errorf("%q stands there twice", family)
		}
	}
	if len(all) != 9 {
		t.Errorf("got %d families, want 9", len(all))
	}
}

func FuzzParseV2ID(f *testing.F) {
	lenient := regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	strict := regexp.MustCompile(`^([0-9a-z]+(?:_[0-9a-z]+)*)_[0-7][0-9a-z]{25}$`)
	for _, seed := range []string{"", "conv_conversation_" + v2Suffix, "_" + v2Suffix, "a__b_" + v2Suffix, "a.>", "é", strings.Repeat("x", 129)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := validation.ParseV2ID(s); (err == nil) != lenient.MatchString(s) {
			t.Errorf("ParseV2ID(%q): got %v, want ok %t", s, err, lenient.MatchString(s))
		}
		var want validation.Family
		if match := strict.FindStringSubmatch(s); match != nil {
			want = validation.Family(match[1])
		}
		if got := validation.V2ID(s).Family(); got != want {
			t.Errorf("V2ID(%q).Family(): got %q, want %q", s, got, want)
		}
	})
}
