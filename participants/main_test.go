package participants

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The identifiers of the documentation's own examples.
const (
	theAccount      = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	theConversation = "CHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	theService      = "ISaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	theInteraction  = "KDaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	theChannel      = "UOaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"
	theV2           = "conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2"
	theRequest      = "RQ0123456789abcdef0123456789abcdef"
)

func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func diff[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
