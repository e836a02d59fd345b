// Package bench owns what rollcall's speed is compared with, and how: each figure and its ceiling in one run, on one machine, with
// real processes (ingest, enricher, nats-server, the fake Twilio, a bare Echo), rounds taken in turn, and medians of them. It knows the goals,
// and which are met. Every run of the pipeline ends with the ledger's verdict, and one that is not clean ends the bench.
package bench
