// Package settings owns how a command is told what to do: flags and environment
// variables, their defaults, units and checks, and the text that explains them. It reads no environment
// of its own and starts nothing.
//
// Every setting bears one name in two spellings: the flag --nats-url is the variable
// NATS_URL, --twilio-edge is TWILIO_EDGE, --otel-service-name is OTEL_SERVICE_NAME, and any other, such as --public-url, is ROLLCALL_PUBLIC_URL. A
// flag wins over the environment. Secrets have no flag, since others can read a command line:
// they come from the environment, or from a file that a flag names.
package settings
