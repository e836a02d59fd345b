// Package scaling owns the figures of docs/SCALING.md: a simulation of what one Twilio account asks for and what it costs, and
// the arithmetic from measured capacities to how many of each part. It is arithmetic alone: it knows no clock, no network and
// nothing of NATS. Its tests hold the page to it, and the simulation to the real pipeline and its constants. Nothing imports it: the page
// is all that it makes, and a test writes that (-update).
package scaling
