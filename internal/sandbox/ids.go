package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/rollcall-events/rollcall/validation"
)

// SID returns the identifier with the given prefix that stands for name: SID("CH", "support") is
// always the same conversation.
func SID(prefix validation.Prefix, name string) validation.SID {
	sum := sha256.Sum256([]byte(string(prefix) + "/" + name))
	return validation.SID(string(prefix) + hex.EncodeToString(sum[:16]))
}

// V2ID returns the v2 identifier of the given family ("conv_participant") that stands for name.
func V2ID(family validation.Family, name string) validation.V2ID {
	sum := sha256.Sum256([]byte(string(family) + "/" + name))
	return validation.V2ID(string(family) + "_" + base32Digits(sum[:26]))
}

// NewSID returns a new, random identifier with the given prefix.
func NewSID(prefix validation.Prefix) validation.SID { return SID(prefix, rand.Text()) }

// base32Digits returns one of 32 digits for each byte. The first is at most 7, as in the identifiers
// in Twilio's documentation.
func base32Digits(b []byte) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	out := make([]byte, len(b))
	for i, v := range b {
		out[i] = digits[v%32]
	}
	out[0] = digits[b[0]%8]
	return string(out)
}
