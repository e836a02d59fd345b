// Package freeport gives tests the ports of what they stop and start again.
//
// A port that a test takes from the system (127.0.0.1:0) and lets go of is anybody's: the next listener or connection may be given it while
// the test's server is down. These are the test's alone until it ends.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports lie below those that Linux, macOS and Docker give out by themselves.
const (
	lowest  = 20_000
	highest = 32_000
)

// New returns a port of 127.0.0.1. Nothing listens on it, and whoever is told of it may, any number of times; no other
// call returns it while the test runs. On Linux that holds for other processes too; elsewhere they are unlikely to take it.
func New(tb testing.TB) int {
	tb.Helper()
	var last error
	for range 100 {
		port := lowest + rand.N(highest-lowest) //nolint:gosec // a guess, not a secret
		release, err := hold(port)
		if err != nil {
			last = err
			continue
		}
		tb.Cleanup(release)
		return port
	}
	tb.Fatalf("no free port from %d to %d, the last error: %v", lowest, highest, last)
	return 0
}

// Address is host:port of a [New] port.
func Address(tb testing.TB) string {
	tb.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(New(tb)))
}
