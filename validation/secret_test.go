package validation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

const token = "correct horse battery staple"

func TestSecretDoesNotShow(t *testing.T) {
	secret := validation.NewSecret(token)
	wrapped := struct {
		Public  validation.Secret
		private validation.Secret
		list    []validation.Secret
	}{secret, secret, []validation.Secret{secret}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+verb+verb, secret, &secret, wrapped)
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("secret", "plain", secret, "wrapped", wrapped)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"plain": secret, "wrapped": wrapped}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), token) || strings.Contains(out.String(), fmt.Sprintf("%x", token)) {
		t.Errorf("the secret shows in %s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("got %s, want it to say [redacted]", out.String())
	}
}

func TestSecretReveal(t *testing.T) {
	if got := validation.NewSecret(token).Reveal(); got != token {
		t.Errorf("got %q, want %q", got, token)
	}
	var none validation.Secret
	if got := none.Reveal(); got != "" || !none.IsZero() {
		t.Errorf("no secret: got %q and IsZero %t, want nothing", got, none.IsZero())
	}
	if !validation.NewSecret("").IsZero() || validation.NewSecret(token).IsZero() {
		t.Error("IsZero does not tell a secret from none")
	}
}

func TestSecretEquality(t *testing.T) {
	if validation.NewSecret(token) != validation.NewSecret(strings.Clone(token)) {
		t.Error("the same secret twice is not equal")
	}
	if validation.NewSecret(token) == validation.NewSecret(token+".") {
		t.Error("two secrets are equal")
	}
}

func TestSecretFromJSON(t *testing.T) {
	var in struct{ Token, Missing validation.Secret }
	if err := json.Unmarshal([]byte(`{"Token":"`+token+`","Missing":""}`), &in); err != nil {
		t.Fatal(err)
	}
	if got := in.Token.Reveal(); got != token {
		t.Errorf("got %q, want %q", got, token)
	}
	if !in.Missing.IsZero() {
		t.Error("an empty string became a secret")
	}
}
