package participants

import "strings"

const (
	maxMessageWords = 40
	elided          = "…"
)

// cleanMessage keeps the words of message that Twilio's messages usually consist of, and replaces every run of others by
// "…": they may be an identifier, an identity, an address or a name of a user. A list of what is safe cannot
// leak what nobody thought of.
func cleanMessage(message string) string {
	var kept []string
	for word := range strings.FieldsSeq(message) {
		if len(kept) == maxMessageWords {
			break
		}
		if !isUsual(strings.ToLower(strings.Trim(word, ".,:;!?()"))) {
			word = elided
		}
		if word == elided && len(kept) > 0 && kept[len(kept)-1] == elided {
			continue
		}
		kept = append(kept, word)
	}
	if len(kept) == 1 && kept[0] == elided {
		return ""
	}
	return strings.Join(kept, " ")
}

// isUsual reports whether word is one that Twilio's error messages usually consist of. None of them identifies anybody.
func isUsual(word string) bool {
	switch word {
	case "-", "a", "an", "the", "this", "that", "to", "of", "for", "in", "on", "or", "and", "with", "by", "from", "at", "as", "your", "you", "it", "its",
		"is", "are", "was", "were", "be", "been", "has", "have", "had", "does", "do", "did", "can", "cannot", "could", "may", "must", "should", "not", "no", "please",
		"access", "account", "accounts", "active", "additional", "allowed", "already", "api", "authenticate", "authenticated", "authentication", "authorization", "authorized",
		"bad", "channel", "closed", "code", "concurrency", "concurrent", "conflict", "conversation", "conversations", "credentials", "denied", "disabled", "enabled",
		"error", "exceeded", "exist", "exists", "expired", "failed", "forbidden", "found", "gateway", "insufficient", "interaction", "internal", "invalid", "key", "later", "limit",
		"malformed", "many", "maximum", "method", "missing", "none", "occurred", "page", "paged", "parameter", "participant", "participants", "password", "perform", "permission", "permissions",
		"provided", "rate", "request", "requested", "requests", "required", "resource", "retry", "role", "secret", "server", "service", "sid", "suspended",
		"temporarily", "timeout", "token", "too", "try", "again", "unable", "unauthorized", "unavailable", "unexpected", "unknown", "user", "username", "valid", "while", "wrong", "include", "pagetoken":
		return true
	}
	return false
}
