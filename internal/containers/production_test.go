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
	required := productionRequires()
	for _, missing := range required {
		_, err := productionConfig(t, slices.DeleteFunc(slices.Clone(required), func(s string) bool { return s == missing }), "production.yml")
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got error %v, want one that names it", missing, err)
		}
	}
	config, err := productionConfig(t, required, "production.yml")
	if err != nil {
		t.Fatal(err)
	}
	enricher := between(config, "  enricher:", "  ingest:")
	for _, unwanted := range []string{string(sandbox.SID("", "sandbox")), "sandbox-twilio"} {
		if strings.Contains(enricher, unwanted) {
			t.Errorf("in production the enricher is still told %q", unwanted)
		}
	}
}

// With accounts.yml the credentials file stands instead of the account, its token and the API key: both together are refused.
func TestAccountsComeFromTheirFileAlone(t *testing.T) {
	needsDocker(t)
	t.Parallel()
	given := append(productionRequires(), "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET")
	if _, err := productionConfig(t, given, "production.yml", "accounts.yml"); err == nil || !strings.Contains(err.Error(), "accounts.json") {
		t.Errorf("without ROLLCALL_CREDENTIALS_DIR: got error %v, want one that says what it is", err)
	}
	config, err := productionConfig(t, append(given, "ROLLCALL_CREDENTIALS_DIR"), "production.yml", "accounts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range map[string]string{"enricher": between(config, "  enricher:", "  ingest:"), "ingest": between(config, "  ingest:", "  nats:")} {
		if !strings.Contains(service, "ROLLCALL_CREDENTIALS_FILE: /etc/rollcall/accounts.json") {
			t.Errorf("%s is not told of the file:\n%s", name, service)
		}
		for _, setting := range []string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY", "TWILIO_API_SECRET"} {
			if strings.Contains(service, setting+": given") {
				t.Errorf("%s is still told %s", name, setting)
			}
		}
	}
}

func productionRequires() []string {
	return []string{
		"TWILIO_AUTH_TOKEN", "ROLLCALL_PUBLIC_URL", "ROLLCALL_NATS_INGEST_PASSWORD", "ROLLCALL_NATS_ENRICHER_PASSWORD",
		"ROLLCALL_NATS_PROVISIONER_PASSWORD", "ROLLCALL_NATS_OPERATOR_PASSWORD", "ROLLCALL_NATS_CONSUMER_PASSWORD",
		"ROLLCALL_NATS_ADMIN_PASSWORD",
	}
}

// between is what text has from the first start, up to the end that follows it.
func between(text, start, end string) string {
	_, after, _ := strings.Cut(text, "\n"+start+"\n")
	before, _, _ := strings.Cut(after, "\n"+end+"\n")
	return before
}

// productionConfig is the configuration that compose makes of docker-compose.yml and files of deploy on top, with
// nothing but given set.
func productionConfig(t *testing.T, given []string, files ...string) (string, error) {
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
	args := append(composeCommand(t), "--file", filepath.Join(root, "docker-compose.yml"))
	for _, file := range files {
		args = append(args, "--file", filepath.Join(root, "deploy", file))
	}
	args = append(args, "config")
	return command(t.Context(), env, args[0], args[1:]...)
}
