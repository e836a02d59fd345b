package settings

import "strings"

const ownPrefix = "ROLLCALL_"

// The settings that are secrets. They are in the model, so that they are documented
// like the others, but are refused on the command line.
const (
	authToken = "TWILIO_AUTH_TOKEN" //nolint:gosec // the name of one, not a secret
	apiSecret = "TWILIO_API_SECRET" //nolint:gosec // likewise
)

func isSecret(env string) bool { return env == authToken || env == apiSecret }

// envName returns the environment variable of a flag.
func envName(flag string) string {
	name := strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	for _, prefix := range []string{"NATS_", "TWILIO_", "OTEL_"} {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ownPrefix + name
}

// flagName is the inverse of envName.
func flagName(env string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(env, ownPrefix), "_", "-"))
}
