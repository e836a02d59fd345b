package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
)

// ask runs the enricher with an environment, without a network.
func ask(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, func(name string) string { return env[name] }, &out, &err)
	return out.String(), err.String(), code
}

func TestCheckSaysThatTheSettingsAreInOrder(t *testing.T) {
	out, _, code := ask(t, map[string]string{"TWILIO_AUTH_TOKEN": token}, "--check")
	if code != process.OK || !strings.Contains(out, "are good") {
		t.Errorf("got exit code %d and %q, want 0: a token alone is enough", code, out)
	}
}

func TestEveryWrongSettingIsNamedAtOnce(t *testing.T) {
	env := map[string]string{
		"NATS_URL": "http://nats", "ROLLCALL_CONCURRENCY": "0", "ROLLCALL_CALL_TIMEOUT": "-1s", "ROLLCALL_HEAD_TIMEOUT": "15",
		"ROLLCALL_PROBE_EVERY": "-1s", "ROLLCALL_MAX_RATE": "NaN", "ROLLCALL_MAX_ROSTER_AGE": "-1s", "ROLLCALL_OUTAGE_TIMEOUT": "-1s", "ROLLCALL_STOP_TIMEOUT": "-1s", "ROLLCALL_AUDIT_AFTER": "1s", "ROLLCALL_PARTITIONS": "1000", "ROLLCALL_REPLICAS": "2", "ROLLCALL_ENRICHED_AGE": "1h",
		"ROLLCALL_DEAD_AGE": "1ms", "ROLLCALL_DUPLICATE_WINDOW": "1000h", "ROLLCALL_ACK_WAIT": "1ms", "ROLLCALL_MAX_ACK_PENDING": "63", "ROLLCALL_OPS_LISTEN": "nowhere",
	}
	for _, args := range [][]string{nil, {"--check"}} {
		_, text, code := ask(t, env, args...)
		if code != process.WrongSettings {
			t.Errorf("got exit code %d, want %d", code, process.WrongSettings)
		}
		for name := range env {
			if !strings.Contains(text, name) {
				t.Errorf("got %q, want %s named", text, name)
			}
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, " ") {
				t.Errorf("got a problem with no setting: %q", line)
			}
		}
		if !strings.Contains(text, "TWILIO_AUTH_TOKEN is not given") {
			t.Errorf("got %q, want the auth token missed", text)
		}
	}
}

// What --check calls good can be started: both ask those who take the values.
func TestCheckRefusesWhatTheStartWouldRefuse(t *testing.T) {
	for name, c := range map[string]struct{ setting, value, want string }{
		"no host":       {"ROLLCALL_CONVERSATIONS_URL", "http://:8080", "ROLLCALL_CONVERSATIONS_URL (--conversations-url) names no host: "},
		"broken seed":   {"NATS_NKEY_SEED_FILE", brokenSeed(t), "NATS_NKEY_SEED_FILE (--nats-nkey-seed-file) cannot be used (read the NATS nkey seed file: "},
		"no collector":  {"OTEL_EXPORTER_OTLP_ENDPOINT", "foo", "OTEL_EXPORTER_OTLP_ENDPOINT (--otel-exporter-otlp-endpoint) is not an http or https URL: "},
		"no partitions": {"ROLLCALL_PARTITIONS", "0", "ROLLCALL_PARTITIONS (--partitions) is out of range: give 1 to 256"},
	} {
		t.Run(name, func(t *testing.T) {
			_, text, code := ask(t, map[string]string{"TWILIO_AUTH_TOKEN": token, c.setting: c.value}, "--check")
			if code != process.WrongSettings || !strings.Contains(text, "\n"+c.want) {
				t.Errorf("got exit code %d and %q, want %d and %q", code, text, process.WrongSettings, c.want)
			}
		})
	}
}

// brokenSeed is a file with what looks like the seed of an nkey, but for its checksum.
func brokenSeed(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(path, []byte("SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What the flags say and what the packages do without them is the same, so that neither is a trap.
func TestDefaultsAreThoseOfThePackages(t *testing.T) {
	var cli commands
	if _, err := program(func(name string) string { return map[string]string{"TWILIO_AUTH_TOKEN": token}[name] }, io.Discard, io.Discard).Parse(&cli, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := cli.Run.Enrichment.config(), enrich.DefaultConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	shape := broker.DefaultTopology()
	shape.EnrichedAge, shape.Duplicates = 0, 0 // they follow the others
	if got := cli.Run.Streams.topology(); got != shape {
		t.Errorf("got %+v, want %+v", got, shape)
	}
	if got, want := cli.Run.Enrichment.AuditAfter, broker.DefaultAuditAfter; got != want {
		t.Errorf("got an audit after %v, want %v", got, want)
	}
}

func TestProvisionNeedsNoTwilio(t *testing.T) {
	if _, text, code := ask(t, nil, "provision", "--check"); code != process.OK {
		t.Errorf("got exit code %d and %q, want 0", code, text)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{
		"--help":           "provision",
		"run --help":       "--head-timeout=15m",
		"provision --help": "--partitions=8",
		"--version":        "go1.",
	} {
		out, _, code := ask(t, nil, strings.Fields(args)...)
		if code != process.OK || !strings.Contains(out, want) {
			t.Errorf("%s: got exit code %d and %q, want %q in it", args, code, out, want)
		}
	}
}
