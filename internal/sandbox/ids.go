package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/rollcall-events/rollcall/validation"
)

// SID returns an identifier with the given prefix that is the same whenever the
// name is: SID("CH", "support") is always the same conversation.
func SID(prefix validation.Prefix, name string) validation.SID {
	sum := sha256.Sum256([]byte(string(prefix) + "/" + name))
	return validation.SID(string(prefix) + hex.EncodeToString(sum[:16]))
}

// V2ID returns a v2 identifier of the given family ("conv_participant") that is the
// same whenever the name is.
func V2ID(family validation.Family, name string) validation.V2ID {
	sum := sha256.Sum256([]byte(string(family) + "/" + name))
	return validation.V2ID(string(family) + "_" + base32Digits(sum[:26]))
}

// NewSID returns an identifier with the given prefix that nothing else has.
func NewSID(prefix validation.Prefix) validation.SID { return SID(prefix, rand.Text()) }

// base32Digits writes one of 32 digits for each byte; the first is at most 7, as in
// the identifiers that Twilio shows.
func base32Digits(b []byte) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	out := make([]byte, len(b))
	for i, v := range b {
		out[i] = digits[v%32]
	}
	out[0] = digits[b[0]%8]
	return string(out)
}
