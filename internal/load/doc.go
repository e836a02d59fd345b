// Package load puts rollcall under load: it makes webhooks that are mixed like real traffic, schedules and sends them, and reports
// latency as a table, as JSON and as a plot. In an open loop latency counts from the time at which a request was scheduled, not from
// when it could be sent: when a target stalls, the wait of the requests behind it is part of their latency (no coordinated
// omission). It reads what was stored, for the ledger, and names no stream. Goals and processes are the bench's.
package load
