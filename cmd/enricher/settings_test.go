package main

import (
	"bytes"
	"strings"
	"testing"
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
	if code != exitOK || !strings.Contains(out, "are good") {
		t.Errorf("got exit code %d and %q, want 0: a token alone is enough", code, out)
	}
}

func TestEveryWrongSettingIsNamedAtOnce(t *testing.T) {
	env := map[string]string{
		"NATS_URL": "http://nats", "ROLLCALL_CONCURRENCY": "0", "ROLLCALL_CALL_TIMEOUT": "1h", "ROLLCALL_HEAD_TIMEOUT": "15",
		"ROLLCALL_PROBE_EVERY": "-1s", "ROLLCALL_MAX_RATE": "NaN", "ROLLCALL_MAX_ROSTER_AGE": "-1s", "ROLLCALL_STOP_TIMEOUT": "-1s", "ROLLCALL_AUDIT_AFTER": "1s", "ROLLCALL_PARTITIONS": "1000", "ROLLCALL_REPLICAS": "2", "ROLLCALL_ENRICHED_AGE": "1h",
		"ROLLCALL_DEAD_AGE": "1ms", "ROLLCALL_DUPLICATE_WINDOW": "1000h", "ROLLCALL_ACK_WAIT": "1ms", "ROLLCALL_MAX_ACK_PENDING": "63", "ROLLCALL_OPS_LISTEN": "nowhere",
	}
	for _, args := range [][]string{nil, {"--check"}} {
		_, text, code := ask(t, env, args...)
		if code != exitSettings {
			t.Errorf("got exit code %d, want %d", code, exitSettings)
		}
		for name := range env {
			if !strings.Contains(text, name) {
				t.Errorf("got %q, want %s named", text, name)
			}
		}
		if !strings.Contains(text, "TWILIO_AUTH_TOKEN is not given") {
			t.Errorf("got %q, want the auth token missed", text)
		}
	}
}

func TestProvisionNeedsNoTwilio(t *testing.T) {
	if _, text, code := ask(t, nil, "provision", "--check"); code != exitOK {
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
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: got exit code %d and %q, want %q in it", args, code, out, want)
		}
	}
}
