// Package sandbox is a fake Twilio that runs on a laptop: the participants APIs over a world in
// memory, signed webhooks, and a story that uses both. Ledgers judge what came of the webhooks. It is
// for tests, demonstrations and continuous integration: no production package imports it. Some of it
// (Courier, Talk, a verdict's Table) is for tests of several packages alone. It knows nothing of NATS,
// nor of how webhooks are processed.
package sandbox
