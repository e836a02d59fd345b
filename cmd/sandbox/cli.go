package main

import (
	"errors"
	"io"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/internal/settings"
	"github.com/rollcall-events/rollcall/validation"
)

const description = `Try rollcall with nothing but Go: no Twilio account, no NATS server, no container.

  sandbox             start everything, tell a story with webhooks of every kind, then keep running
  sandbox --once      the same, and end with a summary: the exit code says whether all came out right
  sandbox tail        print enriched events as they come, from this or any other NATS
  sandbox send        post signed webhooks to a running ingest
  sandbox load        put a running ingest under load, and measure it
  sandbox twilio      serve only the fake of Twilio's participants APIs

Exit codes: 0 a good end, 1 something failed or came out wrong, 2 wrong flags or settings.`

// defaultTarget is what the tags of --target say, and where the demonstration's --listen puts the ingest.
const defaultTarget = "http://127.0.0.1:8080"

type cli struct {
	Demo   demoCmd   `cmd:"" default:"withargs" help:"Start everything in one process and tell the story. This is what runs when no command is named."`
	Tail   tailCmd   `cmd:"" help:"Print enriched events as they come."`
	Send   sendCmd   `cmd:"" help:"Send signed webhooks to an ingest and print its answers. The exit code says whether they were right."`
	Load   loadCmd   `cmd:"" help:"Put an ingest under load of signed webhooks, and measure its answers. The exit code says whether they, and what came of them, were right."`
	Twilio twilioCmd `cmd:"" help:"Serve the fake of Twilio's participants APIs, with the story's people in it."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

func (c *cli) parse(args []string, getenv func(string) string, stdout, stderr io.Writer) (settings.Parsed, error) {
	program := settings.Program{
		Name: "sandbox", Description: description, Getenv: getenv, Stdout: stdout, Stderr: stderr,
		Vars: map[string]string{"version": settings.Version()},
	}
	parsed, err := program.Parse(c, withLongFlags(args))
	if problems, ok := errors.AsType[settings.Problems](err); ok || err == nil {
		return parsed, append(problems, c.check(parsed.Command)...).Err()
	}
	return parsed, err
}

// check returns what is wrong with the chosen command's own flags.
func (c *cli) check(command string) settings.Problems {
	switch command {
	case "twilio":
		return c.Twilio.check()
	case "send":
		return c.Send.check()
	case "load":
		return c.Load.check()
	case "tail":
		return c.Tail.check()
	default:
		return c.Demo.check()
	}
}

// withLongFlags allows -once for --once, as Go's own commands spell flags.
func withLongFlags(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "-once" {
			args[i] = "--once"
		}
	}
	return args
}

// account is the account of the fake Twilio, whose token signs webhooks. It need not be given: all commands
// have the same default.
type account struct {
	SID       string            `name:"twilio-account-sid" group:"twilio" placeholder:"AC..." help:"Account of the fake world; by default one that does not exist."`
	AuthToken validation.Secret `name:"twilio-auth-token" group:"twilio" hidden:"" help:"Its auth token."`
}

// Check implements settings.Checker.
func (a *account) Check() (ps settings.Problems) {
	if _, err := validation.ParseSID(a.SID, "AC"); a.SID != "" && err != nil {
		ps.Add("TWILIO_ACCOUNT_SID", "is not an account SID", "give AC and 32 hexadecimal digits, or nothing")
	}
	return ps
}

func (a *account) cast() sandbox.Cast {
	if a.SID == "" {
		return sandbox.NewCast(sandbox.SID("AC", "sandbox"))
	}
	return sandbox.NewCast(validation.SID(a.SID))
}

func (a *account) token() validation.Secret {
	if a.AuthToken.IsZero() {
		return validation.NewSecret(ownToken())
	}
	return a.AuthToken
}

// tokenHint says which token goes with the account, and shows it only if the world knows it.
func (a *account) tokenHint() string {
	if a.AuthToken.IsZero() {
		return "TWILIO_AUTH_TOKEN=" + ownToken()
	}
	return "and the TWILIO_AUTH_TOKEN that it was given"
}

// ownToken is public, so it must protect nothing.
func ownToken() string { return string(sandbox.SID("", "sandbox")) }
