// Package broker owns everything NATS: it is the only package that names a stream or
// a consumer. It connects, declares the topology, publishes, hands out work with the
// facts that keep order, and keeps the outbox. It decides nothing about Twilio.
package broker
