package events

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

const digestPrefix = "sha256:"

// alike is how far apart two events may arrive that are equal in every field and bear no date, and still be one.
const alike = time.Minute

// identity returns m's ID: what Twilio calls it, when that fits, else a digest of its fields. The digest
// covers the account and everything in the payload but RetryCount and WebhookSid, which tell deliveries of one event
// apart; it does not depend on the order of the fields or on the route.
//
// Some events bear neither a token nor a date of their own: pre-actions, all of Flex. Somebody who writes "ok" twice asks
// for two messages, and a channel that is closed, opened and closed again is closed twice, with the same fields. So the minute in which they were
// received is part of their digest: two deliveries of one such event, by overlapping webhooks, come within seconds
// of one another, and are taken for two only where a minute ends between them.
func (m message) identity(account validation.SID, received time.Time) string {
	if isID(m.claimed) {
		return m.claimed
	}
	payload := maps.Clone(m.payload)
	delete(payload, "RetryCount")
	delete(payload, "WebhookSid")
	identifying := fields{
		"api": string(m.kind.API), "account": string(account), "name": m.name,
		"payload": payload, "envelope": m.envelope,
	}
	if m.occurredAt().IsZero() {
		identifying["received"] = received.UTC().Truncate(alike).Format(time.RFC3339)
	}
	return digest(identifying.raw())
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return digestPrefix + hex.EncodeToString(sum[:])
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
