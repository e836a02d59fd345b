package credentials

import (
	"strings"
	"unicode"

	"github.com/rollcall-events/rollcall/validation"
)

// quotes are in no secret of Twilio's. Shells take them off, but "docker run --env-file" and templates of files often do not.
const quotes = "\"'`"

// Flaw returns what a slip of the hand has left in secret, such as "has quotes in it", or "" when there is nothing. It carries
// nothing of the secret. With such a secret each webhook would be answered 403, and each call to Twilio 401.
func Flaw(secret validation.Secret) string {
	switch value := secret.Reveal(); {
	case strings.ContainsFunc(value, unicode.IsSpace):
		return "has white space in it"
	case strings.ContainsAny(value, quotes):
		return "has quotes in it"
	default:
		return ""
	}
}
