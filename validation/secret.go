package validation

import (
	"log/slog"
	"unique"
)

const redacted = "[redacted]"

// Secret is a signing key, an auth token or an API secret. However it is printed, logged or
// encoded, on its own or inside another value, it does not show: only Reveal returns it.
// Secrets of the same value are equal (==). The zero Secret is none.
type Secret struct {
	// A handle rather than a string: fmt calls no methods on unexported fields, so inside another value it
	// would print the string. Of a handle it prints an address.
	handle unique.Handle[string]
}

// NewSecret returns value as a Secret; the zero Secret for "".
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{handle: unique.Make(value)}
}

// Reveal returns the secret as it is; "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.handle.Value()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// String implements fmt.Stringer without the secret.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer without the secret.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer without the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler without the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler: text is the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
