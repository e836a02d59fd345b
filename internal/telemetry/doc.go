// Package telemetry owns how a process is watched: its logger, its traces and the
// operator's listener (liveness, readiness, metrics). It knows nothing of what the process does.
package telemetry
