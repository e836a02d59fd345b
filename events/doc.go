// Package events owns the vocabulary: the event types and what each must carry, the five
// formats in which Twilio sends them, and the CloudEvents envelopes, NATS subjects and schemas of
// what is published. It does no I/O and names no stream.
//
// # For consumers
//
// A consumer needs three names: [Pattern] for the subjects to subscribe to, [DecodeEnriched] for
// what arrives there, and [DecodeDead] for dead letters. For other languages [Schema] and
// [AsyncAPI] describe the same messages; both are files beside this one.
//
// Events with the same key ([Event.Key]) come out in the order in which they were stored when they
// arrived; across keys there is no order. A webhook that Twilio sends twice has the same [Event.ID] both
// times. JetStream may deliver a message more than once, so what must not be done twice for an
// event is done once for its ID.
//
// # Envelopes
//
// Every message is a CloudEvents 1.0 event in structured JSON mode ([ContentType]):
//
//	id               Event.ID or DeadLetter.ID
//	type             events.rollcall.<stage>.<api>.<resource>.<action>
//	source           /twilio/<account>/<api>
//	subject          Event.Key, the last token of the NATS subject
//	time             Event.OccurredAt, else Event.ReceivedAt; DeadLetter.FailedAt without an event
//	datacontenttype  application/json
//	dataschema       SchemaURI
//	data             Event, Enriched or DeadLetter
//
// The encoders refuse what the decoders would. The decoders also accept what a newer version of the
// same schema may write: unknown fields, and resources and actions that [Kinds] does not have.
package events
