package events

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/internal/jsonappend"
	"github.com/rollcall-events/rollcall/validation"
)

const digestPrefix = "sha256:"

// alike is the interval within which two deliveries that are equal in every field, and bear no date, are one event.
const alike = time.Minute

// identity returns m's ID: the one that Twilio gave it, if it can be an ID, else a digest of its fields. The digest
// covers the account and everything in the payload but RetryCount and WebhookSid, which tell deliveries of one event
// apart; it does not depend on the order of the fields or on the route.
//
// Some events bear neither a token nor a date of their own: pre-actions, and all of Flex. Somebody who writes "ok" twice
// sends two messages, and a channel that is closed, reopened and closed again is closed twice, all with the same fields. So the
// digest of such an event includes the minute in which it was received. Two deliveries of one event, by overlapping
// webhooks, come within seconds of each other, and count as two events only if a minute ends between them.
func (m message) identity(account validation.SID, received time.Time) string {
	if isID(m.claimed) {
		return m.claimed
	}
	return Digest(m.identifying(account, received))
}

// identifying returns what m's digest is of: one JSON object, with its keys sorted.
func (m message) identifying(account validation.SID, received time.Time) []byte {
	const rest = 256 // of the other fields
	b := append(make([]byte, 0, rest+size(m.envelope)+size(m.payload)), `{"account":`...)
	b = jsonappend.String(b, string(account))
	b = jsonappend.String(append(b, `,"api":`...), string(m.kind.API))
	b = appendObject(append(b, `,"envelope":`...), m.envelope)
	b = jsonappend.String(append(b, `,"name":`...), m.name)
	b = appendObject(append(b, `,"payload":`...), m.payload, "RetryCount", "WebhookSid")
	if m.occurredAt().IsZero() {
		b = jsonappend.String(append(b, `,"received":`...), received.UTC().Truncate(alike).Format(time.RFC3339))
	}
	return append(b, '}')
}

// Digest returns the ID of what bears none of its own: "sha256:" and the hash of b in hexadecimal. That of a DeadLetter without
// an event is the digest of the bytes that no event could be read from.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	var text [len(digestPrefix) + 2*sha256.Size]byte
	return string(hex.AppendEncode(append(text[:0], digestPrefix...), sum[:]))
}

// isID reports whether s can be an ID: 1 to 128 of [A-Za-z0-9._:~-].
func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && !strings.ContainsRune("._:~-", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
