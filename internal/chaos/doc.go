// Package chaos holds the tests of the pipeline under faults, in one process: a cluster of NATS servers, ingests with
// outboxes, enrichers and the fake Twilio, which are killed, cut off, frozen and restarted while webhooks come in. The
// ledger of internal/sandbox judges what came out. Ways between them are late, narrow, reset, silent and in slices, by
// toxiproxy. It has no code of its own; internal/containers does the like with processes.
//
//	go test ./internal/chaos                  # with -short, fewer events
//	go test ./internal/chaos -v -seed 42      # the faults of an earlier run, in their order
//	go test ./internal/chaos -v -events 20000
//	go test ./internal/chaos -run Soak -soak 30m -timeout 0 -v   # make soak DURATION=30m
package chaos
