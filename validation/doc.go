// Package validation owns what may be believed: the formats of Twilio's
// identifiers, the rules for fields that carry them, and webhook signatures.
// It knows nothing of events, of HTTP servers or of NATS.
package validation
