package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/internal/broker"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive))
}

// output is what a command has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a command that runs in a goroutine.
type process struct {
	output
	stop func()
	done chan error
}

// loopback are arguments that let sandboxes run side by side.
func loopback(t *testing.T, args ...string) []string {
	t.Helper()
	return append([]string{"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--dir", t.TempDir()}, args...)
}

func noEnv(string) string { return "" }

func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &process{done: make(chan error, 1)}
	p.stop = cancel
	go func() { p.done <- run(ctx, args, noEnv, p, p) }()
	t.Cleanup(func() {
		cancel()
		p.wait(t)
	})
	return p
}

// wait waits for the command's good end.
func (p *process) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err // for whoever asks again
		if err != nil {
			t.Errorf("got %v, want a good end; output:\n%s", err, p)
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("did not end; output:\n%s", p)
	}
}

// find waits until the command has written what matches pattern, and returns its submatches.
func (p *process) find(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	eventually(t, func() bool {
		found = re.FindStringSubmatch(p.String())
		return found != nil
	}, func() string { return fmt.Sprintf("no %q in:\n%s", pattern, p) })
	return found
}

func eventually(t *testing.T, done func() bool, why func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(why())
		}
	}
}

// Scripts tell a slip of the hand from a sandbox that failed, as with the other commands.
func TestExitCodes(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, exitOK},
		{[]string{"--version"}, exitOK},
		{[]string{"load", "--help"}, exitOK},
		{[]string{"--nonsense"}, exitUsage},
		{[]string{"nonsense"}, exitUsage},
		{[]string{"load", "--rate", "-1"}, exitUsage},
		{[]string{"load", "--rate", "often"}, exitUsage},
		{[]string{"send", "--count", "1", "--kind", "nonsense"}, exitUsage},
		{[]string{"twilio", "--listen", "nowhere"}, exitUsage},
		{[]string{"twilio", "--listen", taken.Addr().String()}, exitFailed},
	} {
		var out, told bytes.Buffer
		err := run(t.Context(), c.args, noEnv, &out, &out)
		if got := exitCode(err, &told); got != c.want || (got == exitOK) != (told.Len() == 0) {
			t.Errorf("%q: got exit code %d and %q, want %d and a word about it if it is not 0", c.args, got, &told, c.want)
		}
	}
}

func TestOnceShowsEverything(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), loopback(t, "-once"), noEnv, &out, io.Discard); err != nil {
		t.Fatalf("got %v, want a good end; output:\n%s", err, out.String())
	}
	for _, want := range []string{
		`all +22 +22 +20 +20 +1 +0 +0`,
		`onParticipantJoined → rollcall\.raw\.flex\.participant\.joined\.UO`,
		`enriched  rollcall\.enriched\.orchestrator\.participant\.added\.conv_conversation_`,
		`human agent  Lee Tran  voice \+15550100188`,
		`agent     Omar Haddad  chat omar`,
		`gone: Twilio no longer knows it`,
		`→ 403`,
		`invalid: conversation_sid: sid=CH`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("got no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("got colours in what is no terminal, want none")
	}
}

func TestOnceCanBeRepeatedInOneDirectory(t *testing.T) {
	args := loopback(t, "--once")
	for range 2 {
		var out bytes.Buffer
		if err := run(t.Context(), args, noEnv, &out, io.Discard); err != nil {
			t.Fatalf("got %v, want a good end; output:\n%s", err, out.String())
		}
	}
}

func TestItsOwnDirectoryIsRemovedUnlessItsLogIsWanted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, tt := range []struct {
		faults string
		left   int
	}{{"[]", 0}, {`[{"status":500}]`, 1}} {
		args := []string{"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--once", "--faults", tt.faults}
		if tt.left > 0 {
			args = append(args, "--step-timeout", "1ms")
		}
		var out bytes.Buffer
		if err := run(t.Context(), args, noEnv, &out, io.Discard); (err != nil) != (tt.left > 0) {
			t.Errorf("got %v with faults %s; output:\n%s", err, tt.faults, out.String())
		}
		logs, err := filepath.Glob(filepath.Join(temp, "rollcall-sandbox-*", logName))
		if err != nil || len(logs) != tt.left {
			t.Errorf("got %d logs left behind with faults %s, want %d", len(logs), tt.faults, tt.left)
		}
		if told := strings.Contains(out.String(), "The log is in "); told != (tt.left > 0) {
			t.Errorf("got told of the log: %t, want %t", told, tt.left > 0)
		}
	}
}

func TestOnceFailsWhenAPieceIsBroken(t *testing.T) {
	for _, tt := range []struct{ name, faults, says string }{
		{"Twilio answers 500", `[{"status":500}]`, "missing"},
		{"Twilio denies what is there", `[{"path":"/Interactions/","status":404}]`, "dead with reason not_found, want it enriched"},
		{"Twilio refuses", `[{"path":"/v2/","status":400}]`, "dead with reason refused, want it enriched"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), loopback(t, "--once", "--step-timeout", "20ms", "--faults", tt.faults), noEnv, &out, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "not everything came out right") {
				t.Errorf("got %v, want that not everything came out right", err)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("got no %q in:\n%s", tt.says, out.String())
			}
		})
	}
}

// TestInvitation does what the demonstration asks the newcomer to do.
func TestInvitation(t *testing.T) {
	demo := start(t, loopback(t)...)
	nats := demo.find(t, `tail --nats-url (\S+)\n`)[1]
	target := demo.find(t, `send --count 1 --target (\S+)\n`)[1]
	twilio := demo.find(t, `Twilio +(\S+) \(a fake\)`)[1]
	demo.find(t, "Ctrl-C ends everything")

	tail := start(t, "tail", "--nats-url", nats, "--count", "2")
	tail.find(t, "waiting for rollcall.enriched.>")
	if curl := demo.find(t, `(?s)\n(curl .*?%\{http_code\}\\n')\n`)[1]; haveCurl() {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", curl).CombinedOutput()
		if err != nil || string(out) != "answered 200\n" {
			t.Errorf("got %q and %v from the printed curl, want an answer of 200", out, err)
		}
	} else {
		t.Log("curl is not installed: the printed command is not run")
		runs(t, "send", "--target", target, "--count", "1")
	}
	runs(t, "send", "--target", target, "--count", "1", "--kind", "PARTICIPANT_UPDATED")
	tail.wait(t)
	tail.find(t, `onMessageAdded → rollcall\.enriched\.conversations\.message\.added\.CH`)
	tail.find(t, `(?s)PARTICIPANT_UPDATED → rollcall\.enriched\.orchestrator\.participant\.updated\.conv_.*ai agent  Iris`)
	demo.find(t, `(?s)Ctrl-C.*PARTICIPANT_UPDATED → rollcall\.raw.*ai agent  Iris`)

	out := runs(t, "send", "--target", target, "--nats-url", nats, "--twilio", twilio, "--verify")
	if !regexp.MustCompile(`all +22 +22 +20 +20 +1 +0 +0`).MatchString(out) {
		t.Errorf("got no complete summary from the story sent from outside:\n%s", out)
	}
	out = runs(t, "send", "--target", target, "--twilio", twilio, "--settle", "1ms")
	if !strings.Contains(out, "22 webhooks sent, 22 of them answered as they should be.") {
		t.Errorf("got no good summary of the answers alone:\n%s", out)
	}
	out = runs(t, "tail", "--nats-url", nats, "--all", "--json", "--count", "20")
	if n := strings.Count(out, "\n"); n != 20 || strings.Count(out, `{"specversion":"1.0","id":`) < n {
		t.Errorf("got %d lines, want 20 envelopes:\n%s", n, out)
	}

	began := time.Now()
	demo.stop()
	demo.wait(t)
	if took, most := time.Since(began), 5*stopTimeout; took > most {
		t.Errorf("got %v until the end, want at most %v", took, most)
	}
}

func haveCurl() bool {
	_, err := exec.LookPath("curl")
	return err == nil
}

// runs takes a command to its good end and returns what it wrote.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, noEnv, &out, &out); err != nil {
		t.Errorf("got %v from %v, want a good end; output:\n%s", err, args, out.String())
	}
	return out.String()
}

func TestPortsThatAreTakenAreLeftAlone(t *testing.T) {
	first := start(t, loopback(t)...)
	taken := first.find(t, `webhooks +http://([^/\s]+)/`)[1]
	nats := strings.TrimPrefix(first.find(t, `NATS +(\S+)\n`)[1], "nats://")
	second := start(t, "--listen", taken, "--nats-listen", nats, "--dir", t.TempDir())
	if got := second.find(t, `webhooks +http://([^/\s]+)/`)[1]; got == taken {
		t.Errorf("got %s, want another address", got)
	} else {
		second.find(t, `(?m)^`+regexp.QuoteMeta(taken)+` cannot be listened on \(.+\): webhooks go to http://`+regexp.QuoteMeta(got)+` instead$`)
		second.find(t, `load --duration 10s --target http://`+regexp.QuoteMeta(got)+`\n`)
	}
	second.find(t, `(?m)^`+regexp.QuoteMeta(nats)+` cannot be listened on \(.+\): NATS is at nats://`)
	second.find(t, "Ctrl-C ends everything")
	if strings.Contains(first.String(), "cannot be listened on") {
		t.Errorf("got a port that is taken where any was asked for:\n%s", first)
	}
}

func TestSendFailsOnAnotherAnswer(t *testing.T) {
	demo := start(t, loopback(t)...)
	target := demo.find(t, `send --count 1 --target (\S+)\n`)[1]
	var out bytes.Buffer
	err := run(t.Context(), []string{"send", "--target", target, "--public-url", "https://elsewhere.example.com", "--count", "2"}, noEnv, &out, io.Discard)
	if err == nil || !strings.Contains(out.String(), "2 webhooks sent, 0 of them answered as they should be") || !strings.Contains(out.String(), "another TWILIO_AUTH_TOKEN or ROLLCALL_PUBLIC_URL") {
		t.Errorf("got %v and %s, want an error: the signatures are for another URL", err, out.String())
	}
}

func TestTwilioAlone(t *testing.T) {
	p := start(t, "twilio", "--listen", "127.0.0.1:0")
	url := p.find(t, `listens on (\S+)\n`)[1]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/sandbox/healthy", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %d, want 204", resp.StatusCode)
	}
	p.find(t, `TWILIO_ACCOUNT_SID=AC[0-9a-f]{32} `)
	p.find(t, `TWILIO_AUTH_TOKEN=[0-9a-f]{32}\n`) // the sandbox's own, which is public
}

// Whoever calls the fake must know which account it has. Its token is told only where the world knows it anyway.
func TestTwilioTellsItsAccount(t *testing.T) {
	const sid, secret = "AC0123456789abcdef0123456789abcdef", "5ecret-auth-token"
	ctx, cancel := context.WithCancel(t.Context())
	p := &process{done: make(chan error, 1)}
	go func() {
		p.done <- run(ctx, []string{"twilio", "--listen", "127.0.0.1:0", "--twilio-account-sid", sid}, func(name string) string {
			return map[string]string{"TWILIO_AUTH_TOKEN": secret}[name]
		}, p, p)
	}()
	p.find(t, `TWILIO_ACCOUNT_SID=`+sid+` `)
	p.find(t, `the TWILIO_AUTH_TOKEN that it was given`)
	cancel()
	p.wait(t)
	if strings.Contains(p.String(), secret) {
		t.Errorf("got the token in:\n%s", p)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"--listen", []string{"--listen", "nowhere"}},
		{"--nats-listen is", []string{"--nats-listen", "nowhere"}},
		{"ROLLCALL_PUBLIC_URL (--public-url)", []string{"--public-url", "https://a.example.com,ftp://b.example.com"}},
		{`unknown field "tims"`, []string{"--faults", `[{"tims":1}]`}},
		{"TWILIO_ACCOUNT_SID", []string{"--twilio-account-sid", "AC1"}},
		{"--target is", []string{"send", "--target", "nowhere"}},
		{`"onNothing"`, []string{"send", "--count", "1", "--kind", "onNothing"}},
		{"unknown flag", []string{"--twice"}},
		{"connect to NATS", []string{"tail", "--nats-url", "nats://127.0.0.1:1"}},
		{"send webhook", []string{"send", "--target", "http://127.0.0.1:1"}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			err := run(t.Context(), tt.args, noEnv, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"tail", "--help"}, {"send", "--help"}, {"twilio", "--help"}, {"demo", "--help"}} {
		out := runs(t, args...)
		if !strings.Contains(out, "Usage: sandbox") {
			t.Errorf("got %q from %v, want help", out, args)
		}
		if strings.Contains(out, "auth-token") {
			t.Errorf("got a flag for a secret from %v, want none", args)
		}
	}
}
