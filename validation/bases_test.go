package validation

import (
	"slices"
	"testing"
)

// Each string that is tried costs an HMAC for every key.
func TestEachBaseIsTriedOnce(t *testing.T) {
	v, err := NewVerifier([]string{"https://h", "https://h:443/", "https://h:8443", "https://h"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, base := range v.bases {
		got = append(got, string(base))
	}
	if want := []string{"https://h:443", "https://h", "https://h:8443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
