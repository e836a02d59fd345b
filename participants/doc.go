// Package participants is a client of Twilio's participants APIs: the v1 Conversations
// list, the Flex channel list, and the v2 list and fetch. It follows pages, checks answers and
// gives the participants of all three one shape. It makes one attempt per call: retrying is
// the caller's. It knows nothing of events or NATS.
//
// # What is believed
//
// Credentials go to the configured host only: redirects are not followed, and a next page is
// read only if it is the same list on the same host. An answer must be complete, of a JSON
// type, valid UTF-8, within [Config.MaxBody], and as its API is documented: identifiers match
// their patterns, only nullable fields are null, attributes hold JSON, dates are dates, and the
// conversation, channel, interaction or account that a participant belongs to is the one that was
// asked for. A participant without an identifier is refused, although Twilio documents sid as
// nullable for v1 and Flex: nothing could tell it from another. Undocumented fields and new
// values of open enumerations are kept, and reported to [Config.OnUnexpected].
//
// # Limits
//
// A v1 list has at most 10 pages of 100, for the 1,000 participants that a conversation may have.
// Flex and v2 lists are requested in pages of 1,000 and have at most 20, which is enough for
// 1,000 participants even if the server falls back to its default of 50 a page. If the last page
// that is allowed links to another, that one is read too, and must be empty.
package participants
