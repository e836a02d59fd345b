// Package load owns how rollcall is put under load: webhooks that are mixed like real traffic, when each is meant to be sent, how
// long each took from then on, and what that looks like as a table, as JSON and as a plot. Time counts from the moment at which a request was meant
// to be sent, not from when it could be: a target that stalls delays what comes after, and that wait is part of the latency
// (no coordinated omission). It reads what was stored, for the ledger, and names no stream. Goals and processes are the bench's.
package load
