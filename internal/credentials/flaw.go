package credentials

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/rollcall-events/rollcall/validation"
)

// quotes are in no secret of Twilio's. Shells take them off, but "docker run --env-file" and templates of files often do not.
const quotes = "\"'`"

// maxSecret is far more than any secret of Twilio's has. What is longer is another file, say.
const maxSecret = 256 // bytes

// Flaw returns what a slip of the hand has left in secret, such as "has quotes in it", or "" when there is nothing. It carries
// nothing of the secret. With such a secret each webhook would be answered 403, and each call to Twilio 401.
func Flaw(secret validation.Secret) string {
	switch value := secret.Reveal(); {
	case strings.ContainsFunc(value, unicode.IsSpace):
		return "has white space in it"
	case strings.ContainsAny(value, quotes):
		return "has quotes in it"
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has a character in it that cannot be seen, such as a byte order mark or a zero byte"
	case strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }):
		return "has a character in it that is not ASCII"
	case len(value) > maxSecret:
		return fmt.Sprintf("is longer than %d characters", maxSecret)
	default:
		return ""
	}
}
