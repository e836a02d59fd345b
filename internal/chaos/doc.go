// Package chaos holds the tests of the pipeline under faults: a cluster of NATS servers, each a process of its own, and, in
// the process of the test, ingests with outboxes, enrichers and the fake Twilio, which are killed, cut off, frozen and restarted while
// webhooks come in. The ledger of internal/sandbox judges what came out. Ways between them are late, narrow, reset, silent and in slices, by
// toxiproxy. It has no code of its own; internal/containers does the like with all of them in containers.
//
//	go test ./internal/chaos                  # with -short, fewer events
//	go test ./internal/chaos -v -seed 42      # the faults of an earlier run, in their order
//	go test ./internal/chaos -v -events 20000
//	go test ./internal/chaos -run Soak -soak 30m -timeout 0 -v   # make soak DURATION=30m
package chaos
