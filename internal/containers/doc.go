// Package containers holds the tests of what crosses processes: the images, run by
// Docker as an operator would run them. It has no code of its own.
//
// Under faults the same stack is killed, paused and cut off from its network, part by part, while signed webhooks come in;
// the ledger of internal/sandbox judges what came out. With -v every trial says its figures in one line.
//
// The tests prepare what they need: they build the images from binaries compiled here (no
// registry is asked), publish ports on 127.0.0.1 alone, and remove what they made, and what an
// earlier run that was killed left behind. Without a Docker engine they are skipped, or fail when
// ROLLCALL_REQUIRE_DOCKER=1.
package containers
