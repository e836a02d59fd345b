package settings

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	sid    = "AC0123456789abcdef0123456789abcdef"
	key    = "SK0123456789abcdef0123456789abcdef"
	secret = "5ecret-never-to-be-seen"
)

// tool is a command with every group and every type of setting.
type tool struct {
	Serve struct {
		Hooks struct {
			Public  []string      `name:"public-url" group:"webhooks" help:"Public URLs."`
			Timeout time.Duration `name:"body-timeout" group:"webhooks" default:"3s" help:"Time."`
			MaxBody Bytes         `name:"max-body" group:"webhooks" default:"1MiB" help:"Size."`
			Count   int           `name:"count" group:"webhooks" default:"7" help:"Count."`
			Rate    float64       `name:"rate" group:"webhooks" default:"0.5" help:"Rate."`
			Quiet   bool          `name:"quiet" group:"webhooks" help:"Quiet."`
		} `embed:""`
		NATS `embed:""`
		API  `embed:""`
		Ops  `embed:""`
		Log  `embed:""`
	} `cmd:"" default:"withargs" help:"Serve."`
	Other struct {
		NATS `embed:""`
	} `cmd:"" help:"Only NATS."`
	Check bool `help:"Check."`
}

type run struct {
	cli            tool
	parsed         Parsed
	err            error
	stdout, stderr bytes.Buffer
}

func parse(env map[string]string, args ...string) *run {
	r := &run{}
	p := program(func(name string) string { return env[name] })
	p.Stdout, p.Stderr = &r.stdout, &r.stderr
	r.parsed, r.err = p.Parse(&r.cli, args)
	return r
}

func program(getenv func(string) string) Program {
	return Program{
		Name:        "tool",
		Description: "A tool.\n\n  tool --check",
		Vars:        map[string]string{"ops_listen": "127.0.0.1:8081"},
		Getenv:      getenv,
	}
}

func TestParseFlagsWinOverEnvironmentOverDefaults(t *testing.T) {
	env := map[string]string{
		"TWILIO_AUTH_TOKEN": secret, "ROLLCALL_PUBLIC_URL": "https://a.example.com,https://b.example.com",
		"NATS_URL": "nats://env:4222", "ROLLCALL_MAX_BODY": "2MiB", "ROLLCALL_BODY_TIMEOUT": "", "ROLLCALL_COUNT": "9",
		"ROLLCALL_CHECK": "true",
	}
	r := parse(env, "--nats-url=nats://flag:4222", "--rate", "1.5")
	if r.err != nil {
		t.Fatal(r.err)
	}
	s := r.cli.Serve
	got := fmt.Sprintln(s.Hooks.Public, s.Hooks.Timeout, s.Hooks.MaxBody, s.Hooks.Count, s.Hooks.Rate, s.URL, s.Listen, s.AuthToken.Reveal(), r.cli.Check, r.parsed.Command)
	want := "[https://a.example.com https://b.example.com] 3s 2MiB 9 1.5 nats://flag:4222 127.0.0.1:8081 " + secret + " false serve\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	env := map[string]string{
		"NATS_URL": "http://x", "TWILIO_ACCOUNT_SID": "AC1", "TWILIO_API_KEY": "SK1", "ROLLCALL_MAX_BODY": "many",
		"ROLLCALL_OPS_LISTEN": "8081", "ROLLCALL_LOG_LEVEL": "loud", "ROLLCALL_LOG_FORMAT": "xml", "TWILIO_EDGE": "a.b", "TWILIO_REGION": "/",
		"ROLLCALL_CONVERSATIONS_URL": "ftp://x", "ROLLCALL_FLEX_URL": "https://u:p@x", "NATS_CREDS": "/none", "NATS_NKEY_SEED_FILE": "/none",
		"TWILIO_AUTH_TOKEN_FILE": "/none", "ROLLCALL_QUIET": "maybe",
	}
	r := parse(env, "--body-timeout=3", "--count=x", "--rate=y", "--twilio-api-secret="+secret)
	var problems Problems
	if !errors.As(r.err, &problems) {
		t.Fatalf("got %v, want Problems", r.err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Setting)
	}
	slices.Sort(got)
	want := []string{
		"NATS_CREDS", "NATS_CREDS", "NATS_NKEY_SEED_FILE", "NATS_URL", "ROLLCALL_BODY_TIMEOUT", "ROLLCALL_CONVERSATIONS_URL",
		"ROLLCALL_COUNT", "ROLLCALL_FLEX_URL", "ROLLCALL_LOG_FORMAT", "ROLLCALL_LOG_LEVEL", "ROLLCALL_MAX_BODY", "ROLLCALL_OPS_LISTEN", "ROLLCALL_QUIET", "ROLLCALL_RATE",
		"TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET", "TWILIO_AUTH_TOKEN_FILE", "TWILIO_EDGE", "TWILIO_REGION",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v\n%v", got, want, r.err)
	}
	if text := r.err.Error(); strings.Contains(text, secret) || len(strings.Split(text, "\n")) != len(want) {
		t.Errorf("got %q, want one line for each problem, without the secret", text)
	}
}

// checked is a command whose Check finds fault with what a value that cannot be read leaves behind.
type checked struct {
	Size  Bytes `group:"webhooks" help:"Size."`
	Times int   `help:"No setting: it has no variable."`
}

func (c *checked) Check() (ps Problems) {
	if c.Size == 0 {
		ps.Add("ROLLCALL_SIZE", "is too small", "give more")
	}
	if c.Times == 0 {
		ps.Add("--times", "is too small", "give more")
	}
	return ps
}

func TestParseSaysOneThingOfWhatItCannotRead(t *testing.T) {
	env := map[string]string{"ROLLCALL_SIZE": "many", "ROLLCALL_TIMES": "7"}
	for arg, want := range map[string]string{
		"--times=0": "ROLLCALL_SIZE (--size) is not a number of bytes: give it with its unit, such as 64KiB, 1MiB or 2GiB\n--times is too small: give more",
		"--times=x": "--times is not a whole number: give it in digits, such as 64\nROLLCALL_SIZE (--size) is not a number of bytes: give it with its unit, such as 64KiB, 1MiB or 2GiB",
	} {
		_, err := program(func(name string) string { return env[name] }).Parse(&checked{}, []string{arg})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", arg, err, want)
		}
	}
}

func TestParseSwitches(t *testing.T) {
	for _, c := range []struct {
		env  string
		args []string
		want bool
	}{
		{"", nil, false}, {"true", nil, true}, {"1", nil, true}, {"Yes", nil, true}, {"no", nil, false}, {"0", nil, false},
		{"", []string{"--quiet"}, true}, {"true", []string{"--quiet=false"}, false},
	} {
		r := parse(map[string]string{"TWILIO_AUTH_TOKEN": secret, "ROLLCALL_QUIET": c.env}, c.args...)
		if got := r.cli.Serve.Hooks.Quiet; r.err != nil || got != c.want {
			t.Errorf("%q %v: got %v, %v, want %v", c.env, c.args, got, r.err, c.want)
		}
	}
}

func TestParseChecksOnlyTheChosenCommand(t *testing.T) {
	if r := parse(map[string]string{"TWILIO_ACCOUNT_SID": "x"}, "other"); r.err != nil || r.parsed.Command != "other" {
		t.Errorf("got %v from %q, want no problem: the command has no Twilio settings", r.err, r.parsed.Command)
	}
	if r := parse(nil); r.err == nil || !strings.HasPrefix(r.err.Error(), "TWILIO_AUTH_TOKEN is not given") {
		t.Errorf("got %v, want the auth token missed", r.err)
	}
}

func TestParseRefusesUnknownFlags(t *testing.T) {
	r := parse(map[string]string{"TWILIO_AUTH_TOKEN": secret}, "--bogus=1")
	if r.err == nil || !strings.Contains(r.err.Error(), "--bogus") || !strings.Contains(r.err.Error(), "tool --help") {
		t.Errorf("got %v, want the flag's name and where to read more", r.err)
	}
}

func TestHelpShowsEverySettingAndNoSecretFlag(t *testing.T) {
	r := parse(map[string]string{"TWILIO_AUTH_TOKEN": secret, "ROLLCALL_COUNT": "x"}, "--help")
	if !errors.Is(r.err, ErrAnswered) {
		t.Fatalf("got %v, want ErrAnswered", r.err)
	}
	help := r.stdout.String()
	for _, want := range []string{"--nats-url", "$NATS_URL", "TWILIO_AUTH_TOKEN", "TWILIO_API_SECRET", "--ops-listen", "127.0.0.1:8081", "$ROLLCALL_PUBLIC_URL"} {
		if !strings.Contains(help, want) {
			t.Errorf("got help without %q:\n%s", want, help)
		}
	}
	for _, bad := range []string{secret, "--twilio-auth-token=", "--twilio-api-secret="} {
		if strings.Contains(help, bad) {
			t.Errorf("got help with %q", bad)
		}
	}
}

func TestLogValueHidesSecrets(t *testing.T) {
	r := parse(map[string]string{"TWILIO_AUTH_TOKEN": secret, "NATS_URL": "nats://user:" + secret + "@h:4222,nats://i:4222"})
	if r.err != nil {
		t.Fatal(r.err)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("starting", "settings", r.parsed)
	for _, want := range []string{"settings.NATS_URL=nats://h:4222,nats://i:4222", "settings.TWILIO_AUTH_TOKEN=[redacted]", "settings.ROLLCALL_BODY_TIMEOUT=3s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want it to have %s", out.String(), want)
		}
	}
	if strings.Contains(out.String(), secret) {
		t.Errorf("got the secret in %s", out.String())
	}
}

func TestTableHasEverySettingOnce(t *testing.T) {
	table, err := program(nil).Table(&tool{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `ROLLCALL_MAX_BODY` | `--max-body` | `1MiB` | Size. |", "| `TWILIO_AUTH_TOKEN` | none: it is a secret |  |",
		"| `NATS_URL` | `--nats-url` |", "| `ROLLCALL_OPS_LISTEN` | `--ops-listen` | `127.0.0.1:8081` |",
	} {
		if strings.Count(table, want) != 1 {
			t.Errorf("got %d of %q in\n%s", strings.Count(table, want), want, table)
		}
	}
	if strings.Contains(table, "CHECK") {
		t.Error("got a row for --check, which is no setting")
	}
}

func TestNames(t *testing.T) {
	for flag, env := range map[string]string{
		"nats-url": "NATS_URL", "otel-service-name": "OTEL_SERVICE_NAME", "twilio-auth-token": "TWILIO_AUTH_TOKEN", "public-url": "ROLLCALL_PUBLIC_URL", "ops-listen": "ROLLCALL_OPS_LISTEN",
	} {
		if got := envName(flag); got != env {
			t.Errorf("got %s for --%s, want %s", got, flag, env)
		}
		if got := flagName(env); got != flag {
			t.Errorf("got --%s for %s, want --%s", got, env, flag)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "512": 512, "64KiB": 64 << 10, "1 MiB": 1 << 20, "2GiB": 2 << 30} {
		got, err := parseBytes(text)
		if err != nil || got != want {
			t.Errorf("got %d, %v for %q, want %d", got, err, text, want)
		}
		if again, err := parseBytes(got.String()); err != nil || again != want {
			t.Errorf("got %d, %v for %q again", again, err, got)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "1MB", "99999999999GiB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("got %d for %q, want an error", got, text)
		}
	}
}
