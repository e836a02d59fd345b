package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/validation"
)

func TestSignedWebhookIsStored(t *testing.T) {
	for name, outbox := range map[string]string{"direct": "", "with an outbox": filepath.Join(t.TempDir(), "outbox")} {
		t.Run(name, func(t *testing.T) {
			embedded := server(t, "127.0.0.1:0", t.TempDir())
			c := serving(t, environment("NATS_URL", embedded.ClientURL(), "ROLLCALL_OUTBOX_DIR", outbox))
			wait(t, "readiness", func() bool { status, _ := c.ready(t); return status == http.StatusOK })
			if status := c.post(t, token, body); status != http.StatusOK {
				t.Errorf("got %d for a signed webhook, want 200\n%s", status, c.stderr.String())
			}
			if status := c.post(t, "another", body); status != http.StatusForbidden {
				t.Errorf("got %d for a forged webhook, want 403", status)
			}
			if code := c.stop(t); code != 0 {
				t.Errorf("got exit code %d, want 0\n%s", code, c.stderr.String())
			}
			if stored := raw(t, embedded.ClientURL()); len(stored) != 1 || stored[0].Refs.ConversationSID != chat {
				t.Errorf("got %v in RAW, want the one webhook", stored)
			}
		})
	}
}

func TestStartsWithoutNATS(t *testing.T) {
	url, begin := away(t)
	c := serving(t, environment("NATS_URL", url))
	if status, why := c.ready(t); status != http.StatusServiceUnavailable || !strings.Contains(why, "nats") {
		t.Errorf("got %d and %q from readiness without NATS, want 503 and that it is NATS", status, why)
	}
	began := time.Now()
	if status := c.post(t, token, body); status != http.StatusServiceUnavailable {
		t.Errorf("got %d for a post-action webhook without NATS, want 503", status)
	}
	if took := time.Since(began); took >= ingest.DefaultStoreTimeout {
		t.Errorf("got the answer after %v, want it at once: there is nothing to wait for", took)
	}
	if status := c.post(t, token, strings.Replace(body, "Added", "Add", 1)); status != http.StatusOK {
		t.Errorf("got %d for a pre-action webhook without NATS, want 200", status)
	}
	begin()
	wait(t, "readiness", func() bool { status, _ := c.ready(t); return status == http.StatusOK })
	if status := c.post(t, token, body); status != http.StatusOK {
		t.Errorf("got %d once NATS is there, want 200", status)
	}
	if code := c.stop(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

func TestReadinessMissesTheStreams(t *testing.T) {
	embedded, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Shutdown)
	c := serving(t, environment("NATS_URL", embedded.ClientURL()))
	wait(t, "the streams to be missed", func() bool {
		status, why := c.ready(t)
		return status == http.StatusServiceUnavailable && strings.Contains(why, "provision the streams")
	})
}

func TestOutboxDrains(t *testing.T) {
	url, begin := away(t)
	c := serving(t, environment("NATS_URL", url, "ROLLCALL_OUTBOX_DIR", filepath.Join(t.TempDir(), "outbox")))
	if status := c.post(t, token, body); status != http.StatusOK {
		t.Errorf("got %d with an outbox and no NATS, want 200\n%s", status, c.stderr.String())
	}
	begin()
	wait(t, "what the outbox kept", func() bool { return len(raw(t, url)) == 1 })
	if code := c.stop(t); code != 0 {
		t.Errorf("got exit code %d, want 0\n%s", code, c.stderr.String())
	}
}

func TestReadinessTurnsRedBeforeTheLastWebhook(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	c := serving(t, environment("NATS_URL", embedded.ClientURL()))
	wait(t, "readiness", func() bool { status, _ := c.ready(t); return status == http.StatusOK })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.hooks)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const path = "/webhooks/conversations"
	signature := validation.Sign(validation.NewSecret(token), http.MethodPost, public+path, form, []byte(body))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nX-Twilio-Signature: %s\r\nContent-Length: %d\r\n\r\n", path, form, signature, len(body))
	wait(t, "the webhook to be under way", func() bool { return strings.Contains(c.metrics(t), "rollcall_ingest_in_flight_webhooks 1") })
	c.cancel()
	wait(t, "readiness to turn red", func() bool { status, _ := c.ready(t); return status == http.StatusServiceUnavailable })
	fmt.Fprint(conn, body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %d for the webhook under way, want 200", resp.StatusCode)
	}
	if code := c.ended(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

func TestWrongSettingsAreReportedAtOnce(t *testing.T) {
	c := start(t, map[string]string{
		"NATS_URL": "http://x", "ROLLCALL_LISTEN": "8080", "ROLLCALL_STORE_TIMEOUT": "6s", "ROLLCALL_MAX_BODY": "0", "ROLLCALL_BODY_TIMEOUT": "soon",
		"ROLLCALL_OUTBOX_DIR": os.Args[0], "ROLLCALL_OUTBOX_MAX_BYTES": "1", "ROLLCALL_LOG_LEVEL": "loud", "TWILIO_AUTH_TOKEN_FILE": "/none",
		"ROLLCALL_STOP_DELAY": "6m",
	}, "--check")
	if code := c.ended(t); code != 2 {
		t.Errorf("got exit code %d, want 2", code)
	}
	report := c.stderr.String()
	for _, name := range []string{
		"NATS_URL", "ROLLCALL_LISTEN", "ROLLCALL_PUBLIC_URL", "ROLLCALL_STORE_TIMEOUT", "ROLLCALL_MAX_BODY", "ROLLCALL_BODY_TIMEOUT",
		"ROLLCALL_OUTBOX_DIR", "ROLLCALL_OUTBOX_MAX_BYTES", "ROLLCALL_LOG_LEVEL", "TWILIO_AUTH_TOKEN_FILE",
		"ROLLCALL_STOP_DELAY",
	} {
		if !strings.Contains(report, "\n"+name+" ") {
			t.Errorf("got no problem with %s in\n%s", name, report)
		}
	}
	for line := range strings.Lines(report) {
		if strings.HasPrefix(line, " ") {
			t.Errorf("got a problem with no setting: %q", line)
		}
	}
}

// What would end the start, or make every webhook a 403, is told beforehand, and without the secret.
func TestCheckTellsBeforehand(t *testing.T) {
	for name, c := range map[string]struct{ setting, value, want string }{
		"quoted token": {"TWILIO_AUTH_TOKEN", `"` + token + `"`, "TWILIO_AUTH_TOKEN has quotes in it"},
		"no collector": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "foo", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (--otel-exporter-otlp-traces-endpoint) is not an http or https URL"},
		"route in URL": {"ROLLCALL_PUBLIC_URL", public + "/webhooks/conversations", "ROLLCALL_PUBLIC_URL (--public-url) ends in the route /webhooks/conversations"},
	} {
		t.Run(name, func(t *testing.T) {
			checked := start(t, environment(c.setting, c.value), "--check")
			if code := checked.ended(t); code != process.WrongSettings || !strings.Contains(checked.stderr.String(), c.want) {
				t.Errorf("got exit code %d and %q, want 2 and %q", code, checked.stderr.String(), c.want)
			}
			if strings.Contains(checked.stderr.String(), token) {
				t.Errorf("got the token in %q", checked.stderr.String())
			}
		})
	}
}

// --check makes nothing, and says of a directory what making it would say.
func TestCheckLooksAtTheOutboxDirectory(t *testing.T) {
	dir := t.TempDir()
	file, locked := filepath.Join(dir, "file"), filepath.Join(dir, "locked")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		filepath.Join(dir, "new", "outbox"): "",
		file:                                "is no directory",
		filepath.Join(file, "x"):            "cannot be used (not a directory)",
		filepath.Join(file, "x", "y"):       "cannot be used (not a directory)",
	}
	if os.Geteuid() != 0 { // whom no permission stops
		cases[locked], cases[filepath.Join(locked, "x")] = "cannot be written to", "cannot be written to"
	}
	for outbox, want := range cases {
		c := start(t, environment("ROLLCALL_OUTBOX_DIR", outbox), "--check")
		code, report := c.ended(t), c.stderr.String()
		if want == "" && code != process.OK || want != "" && (code != process.WrongSettings || !strings.Contains(report, "ROLLCALL_OUTBOX_DIR (--outbox-dir) "+want)) {
			t.Errorf("%s: got exit code %d and %q, want %q", outbox, code, report, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("got %v and error %v, want nothing made", entries, err)
	}
}

func TestOneAddressForBothListenersIsAProblem(t *testing.T) {
	c := start(t, environment("ROLLCALL_LISTEN", ":8080", "ROLLCALL_OPS_LISTEN", "0.0.0.0:8080"), "--check")
	if code := c.ended(t); code != process.WrongSettings || !strings.Contains(c.stderr.String(), "ROLLCALL_OPS_LISTEN (--ops-listen) is the address of ROLLCALL_LISTEN too") {
		t.Errorf("got exit code %d and %q, want 2 and the setting", code, c.stderr.String())
	}
}

func TestCheckTakesGoodSettings(t *testing.T) {
	credentials := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(credentials, []byte(`{"accounts":[{"account_sid":"`+account+`","auth_token":"`+token+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]map[string]string{
		"token": environment(),
		"file":  environment("TWILIO_AUTH_TOKEN", "", "ROLLCALL_CREDENTIALS_FILE", credentials),
	} {
		if c := start(t, env, "--check"); c.ended(t) != 0 || !strings.Contains(c.stdout.String(), "good") {
			t.Errorf("got %q and %q for the %s, want it said that all is good", c.stdout.String(), c.stderr.String(), name)
		}
	}
	if err := os.WriteFile(credentials, []byte(`{"accounts":[{"auth_tokn":"`+token+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, environment("TWILIO_AUTH_TOKEN", "", "ROLLCALL_CREDENTIALS_FILE", credentials), "--check")
	if code := c.ended(t); code != 2 || !strings.Contains(c.stderr.String(), "ROLLCALL_CREDENTIALS_FILE") || strings.Contains(c.stderr.String(), token) {
		t.Errorf("got exit code %d and %q, want 2 and the setting without the secret", code, c.stderr.String())
	}
}

func TestCredentialsFileThatChangesCounts(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	path := filepath.Join(t.TempDir(), "credentials.json")
	write := func(key string) {
		if err := os.WriteFile(path, []byte(`{"accounts":[{"account_sid":"`+account+`","auth_token":"`+key+`"}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token)
	c := serving(t, environment("NATS_URL", embedded.ClientURL(), "TWILIO_AUTH_TOKEN", "", "ROLLCALL_CREDENTIALS_FILE", path))
	wait(t, "the first key", func() bool { return c.post(t, token, body) == http.StatusOK })
	write("rotated")
	wait(t, "the rotated key", func() bool { return c.post(t, "rotated", body) == http.StatusOK })
	if status := c.post(t, token, body); status != http.StatusForbidden {
		t.Errorf("got %d for the key that is gone, want 403", status)
	}
	write("")
	wait(t, "the metric for a file that is wrong", func() bool { return strings.Contains(c.metrics(t), "\nrollcall_credentials_stale 1\n") })
}

func TestACollectorThatIsAwayCostsSpansAndNothingElse(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	away := httptest.NewServer(nil)
	away.Close()
	c := serving(t, environment("NATS_URL", embedded.ClientURL(), "OTEL_EXPORTER_OTLP_ENDPOINT", away.URL))
	wait(t, "a webhook to be stored", func() bool { return c.post(t, token, body) == http.StatusOK })
	if code := c.stop(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if log := c.stderr.String(); !strings.Contains(log, `"traces could not be exported"`) {
		t.Errorf("got log %s, want it to tell of the spans", log)
	}
}

func TestPortThatIsTaken(t *testing.T) {
	first := serving(t, environment())
	for _, setting := range []string{"ROLLCALL_LISTEN", "ROLLCALL_OPS_LISTEN"} {
		c := start(t, environment(setting, first.hooks))
		if code, want := c.ended(t), "ingest: "+setting+": listen tcp "+first.hooks; code != process.Failed || !strings.Contains(c.stderr.String(), want) {
			t.Errorf("got exit code %d and %q, want %d and %q", code, c.stderr.String(), process.Failed, want)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	url := strings.Replace(embedded.ClientURL(), "nats://", "nats://user:"+token+"@", 1)
	c := serving(t, environment("NATS_URL", url, "ROLLCALL_LOG_LEVEL", "debug"))
	c.post(t, token, body)
	c.post(t, "another", body)
	c.stop(t)
	help := start(t, environment(), "--help")
	help.ended(t)
	onTheLine := start(t, environment(), "--twilio-auth-token="+token)
	if code := onTheLine.ended(t); code != 2 || !strings.Contains(onTheLine.stderr.String(), "TWILIO_AUTH_TOKEN_FILE") {
		t.Errorf("got exit code %d and %q for a secret on the command line, want 2 and where to put it", code, onTheLine.stderr.String())
	}
	for name, c := range map[string]*command{"log": c, "help": help, "error": onTheLine} {
		if text := c.stdout.String() + c.stderr.String(); strings.Contains(text, token) || text == "" {
			t.Errorf("got the secret, or nothing, in the %s:\n%s", name, text)
		}
	}
	if log := c.stderr.String(); !strings.Contains(log, `"TWILIO_AUTH_TOKEN":"[redacted]"`) || !strings.Contains(log, `"ROLLCALL_STORE_TIMEOUT":"4s"`) {
		t.Errorf("got no settings in force in the log:\n%s", log)
	}
}

func TestVersionAndHelp(t *testing.T) {
	v := start(t, nil, "--version")
	if code := v.ended(t); code != 0 || strings.TrimSpace(v.stdout.String()) == "" {
		t.Errorf("got exit code %d and %q, want a version", code, v.stdout.String())
	}
	h := start(t, nil, "--help")
	if code := h.ended(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, want := range []string{"/webhooks/event-streams", "ingest --check", "--public-url", "$ROLLCALL_OUTBOX_DIR", "TWILIO_AUTH_TOKEN", "Exit codes"} {
		if !strings.Contains(h.stdout.String(), want) {
			t.Errorf("got help without %q", want)
		}
	}
}

func TestDefaultsAreThoseOfIngest(t *testing.T) {
	var c commands
	env := environment()
	if _, err := program(func(name string) string { return env[name] }, io.Discard, io.Discard).Parse(&c, nil); err != nil {
		t.Fatal(err)
	}
	got := c.Webhooks.config()
	want := ingest.Config{
		PublicURLs: []string{public}, MaxBody: ingest.DefaultMaxBody, BodyTimeout: ingest.DefaultBodyTimeout,
		StoreTimeout: ingest.DefaultStoreTimeout, StopTimeout: ingest.DefaultStopTimeout, MaxConnections: ingest.DefaultMaxConnections,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
