// Package validation owns what may be believed of what Twilio sends: the formats of its
// identifiers ([ParseSID], [ParseV2ID]), rules for struct fields ([Struct]), and webhook
// signatures ([Verifier]). It knows nothing of events, HTTP servers or NATS.
package validation
