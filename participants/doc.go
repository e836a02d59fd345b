// Package participants owns Twilio's participants APIs: the v1 Conversations
// list, the Flex channel list, and the v2 list and fetch. It pages, checks and
// normalises; each call makes one attempt. It knows nothing of retries, events or NATS.
//
// # What is believed
//
// Credentials go to the configured host alone: redirects are never followed, and a
// next page is read only when it is the same list on the same host. An answer is
// believed when it is of type JSON, whole, valid UTF-8, within [Config.MaxBody],
// and keeps to its API's page: identifiers match their patterns, only what may be
// null is null, attributes hold JSON, dates are dates, and what says which conversation,
// channel, interaction or account it belongs to names the one that was asked for.
// A participant without its identifier (Twilio's v1 and Flex pages let sid be null) is refused,
// since nothing could be told apart by it. Fields that a page does not
// document and new values of open enumerations are kept and told to [Config.OnUnexpected].
//
// # Bounds
//
// A v1 list has at most 10 pages of 100, the 1,000 participants that a conversation may have.
// Flex and v2 lists are asked for in pages of 1,000 and refused after 20, which holds a full
// conversation even if the server falls back to its default of 50 a page. One page more than
// that is read where a full last page links to it, and must be empty.
package participants
