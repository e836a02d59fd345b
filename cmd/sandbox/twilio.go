package main

import (
	"context"
	"fmt"
	"net"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// twilioCmd serves the fake of Twilio's participants APIs.
type twilioCmd struct {
	Account account `embed:""`

	Listen string     `placeholder:"HOST:PORT" default:"127.0.0.1:8090" help:"Address for both API hosts (${default})."`
	Faults faultsFlag `placeholder:"JSON" help:"What it does wrong, as a list: '[{\"times\":2,\"status\":429,\"retry_after\":\"1\"}]', or @FILE with one."`
}

func (c *twilioCmd) check() (ps settings.Problems) {
	settings.CheckListen(&ps, "--listen", c.Listen)
	return ps
}

// Help implements kong.HelpProvider.
func (c *twilioCmd) Help() string {
	return `The one account is TWILIO_ACCOUNT_SID with the auth token TWILIO_AUTH_TOKEN, both from the environment, or the
sandbox's own, which it prints. Calls as another account, or with another token, are answered 401, and the enricher
then holds the events of that account. Another process, such as
"sandbox send", changes the world with PUT /sandbox/world; GET shows it, and GET /sandbox/calls
counts what was asked. PUT /sandbox/faults scripts what goes wrong, as --faults does, and GET shows what is left
of it. GET /sandbox/healthy is a health check.

` + faultsHelp
}

func (c *twilioCmd) run(ctx context.Context, p *printer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	twilio := sandbox.NewTwilio(sandbox.NewWorld(c.Account.cast().State(c.Account.token())))
	twilio.Script(c.Faults...)
	p.line("The fake Twilio listens on http://%s", l.Addr())
	p.line("It has the account %s, and answers 401 to any other and to another token.", c.Account.cast().Account)
	p.line("Let the enricher call it: ROLLCALL_CONVERSATIONS_URL=http://%[1]s ROLLCALL_FLEX_URL=http://%[1]s", l.Addr())
	p.line("  TWILIO_ACCOUNT_SID=%s %s", c.Account.cast().Account, c.Account.tokenHint())
	return serve(ctx, l, twilio)
}
