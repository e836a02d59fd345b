// Package sandbox owns a Twilio that runs on a laptop: its participants APIs over
// a world in memory, its webhooks, signed, and a story that uses both. It is for tests,
// demonstrations and continuous integration; no production package imports it, and it knows
// nothing of NATS or of what is done with a webhook.
package sandbox
