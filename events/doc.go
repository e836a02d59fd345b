// Package events owns the vocabulary: the event types and what each must carry,
// the five inbound wire formats, the CloudEvents envelopes, the NATS subjects, and their
// schemas. It does no I/O and names no stream.
//
// A consumer needs three names: [Pattern] for the subjects to subscribe to,
// [DecodeEnriched] for what arrives, and [DecodeDead] for what could not be done. In another
// language, [Schema] and [AsyncAPI] say the same; both are files beside this one.
//
// Within one key ([Event.Key]) order is kept; see [Event] for what identifies an event.
package events
