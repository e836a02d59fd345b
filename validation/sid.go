package validation

import (
	"errors"
	"slices"
)

// SID is a Twilio string identifier: two capital letters and 32 hexadecimal
// digits, 34 characters in all. One that ParseSID returned is safe as a URL path
// segment and as a NATS subject token.
type SID string

// ErrIdentifier is the error of ParseSID and ParseV2ID.
var ErrIdentifier = errors.New("malformed identifier")

const (
	prefixLen = 2
	sidLen    = prefixLen + 32
)

// ParseSID returns s as a SID if it is well formed and, when prefixes are given, has one
// of them. The error is ErrIdentifier, which does not quote s.
func ParseSID(s string, prefixes ...Prefix) (SID, error) {
	if !IsSID(s, prefixes...) {
		return "", ErrIdentifier
	}
	return SID(s), nil
}

// IsSID reports whether ParseSID accepts s. Hexadecimal digits may be of either case, as in the
// patterns that Twilio documents, ^XX[0-9a-fA-F]{32}$. SIDs are compared as they are spelled.
func IsSID(s string, prefixes ...Prefix) bool {
	if len(s) != sidLen || !isUpper(s[0]) || !isUpper(s[1]) {
		return false
	}
	for i := prefixLen; i < sidLen; i++ {
		if !isHex(s[i]) {
			return false
		}
	}
	return len(prefixes) == 0 || slices.Contains(prefixes, Prefix(s[:prefixLen]))
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// Prefix returns the first two letters of s, or "" when s is too short.
func (s SID) Prefix() Prefix {
	if len(s) < prefixLen {
		return ""
	}
	return Prefix(s[:prefixLen])
}
