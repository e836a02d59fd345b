package containers

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// What is known to the world on a laptop must be given in production: the sandbox's token, the
// passwords of NATS, and who Twilio is.
func TestProductionIsRefusedWithoutItsSecrets(t *testing.T) {
	needsDocker(t)
	t.Parallel()
	required := []string{
		"TWILIO_AUTH_TOKEN", "ROLLCALL_PUBLIC_URL", "ROLLCALL_NATS_INGEST_PASSWORD", "ROLLCALL_NATS_ENRICHER_PASSWORD",
		"ROLLCALL_NATS_PROVISIONER_PASSWORD", "ROLLCALL_NATS_OPERATOR_PASSWORD", "ROLLCALL_NATS_CONSUMER_PASSWORD",
	}
	for _, missing := range required {
		_, err := productionConfig(t, slices.DeleteFunc(slices.Clone(required), func(s string) bool { return s == missing }))
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got error %v, want one that names it", missing, err)
		}
	}
	config, err := productionConfig(t, required)
	if err != nil {
		t.Fatal(err)
	}
	enricher, _, _ := strings.Cut(config[strings.Index(config, "  enricher:"):], "  ingest:")
	for _, unwanted := range []string{string(sandbox.SID("", "sandbox")), "sandbox-twilio"} {
		if strings.Contains(enricher, unwanted) {
			t.Errorf("in production the enricher is still told %q", unwanted)
		}
	}
}

// productionConfig is the configuration that compose makes with nothing but given set.
func productionConfig(t *testing.T, given []string) (string, error) {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for setting := range strings.FieldsSeq(settings) {
		value := ""
		if slices.Contains(given, setting) {
			value = "given"
		}
		env = append(env, setting+"="+value)
	}
	args := append(composeCommand(t), "--file", filepath.Join(root, "docker-compose.yml"),
		"--file", filepath.Join(root, "deploy", "production.yml"), "config")
	return command(t.Context(), env, args[0], args[1:]...)
}
