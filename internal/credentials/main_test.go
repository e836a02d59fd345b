package credentials

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sid1 = "AC00000000000000000000000000000001"
	sid2 = "AC00000000000000000000000000000002"
	key1 = "SK00000000000000000000000000000001"
)

func wantSigners(tb testing.TB, b *Book, want ...string) {
	tb.Helper()
	keys, accounts := b.Signers()
	if len(keys) != len(accounts) {
		tb.Fatalf("got %d keys of %d accounts, want as many", len(keys), len(accounts))
	}
	got := make([]string, len(keys))
	for i := range keys {
		got[i] = string(accounts[i]) + " " + keys[i].Reveal()
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		tb.Errorf("signers: got %q, want %q", got, want)
	}
}

func wantAPI(tb testing.TB, b *Book, account validation.SID, username, password string) {
	tb.Helper()
	got, ok := b.API(account)
	if want := (participants.Credentials{Username: username, Password: validation.NewSecret(password)}); !ok || got != want {
		tb.Errorf("API of %s: got %s with %q (%t), want %s with %q", account, got.Username, got.Password.Reveal(), ok, username, password)
	}
}

func wantNoAPI(tb testing.TB, b *Book, account validation.SID) {
	tb.Helper()
	if got, ok := b.API(account); ok {
		tb.Errorf("API of %s: got %s, want none", account, got.Username)
	}
}

func wantProblems(tb testing.TB, err error, want ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("got no error, want %q", want)
	}
	if got := strings.Split(err.Error(), "; "); strings.Join(got, "\n") != strings.Join(want, "\n") {
		tb.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(err.Error(), "hunter2") {
		tb.Errorf("the error carries a secret: %v", err)
	}
}
