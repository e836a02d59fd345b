package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// deadRemove are the settings of "dead rm".
type deadRemove struct {
	DeadAccess `embed:""`
	DeadChoice `embed:""`
	Yes        bool `help:"Do not ask. Without a terminal to ask on, this is needed."`
}

const removeHelp = `A removed letter cannot be brought back, and its bytes are overwritten on the servers' disks. The raw event stays in the raw stream, and
the record of an enricher's burial, which holds the letter too, in the enriched stream, each until that stream's own age ends.`

// Help implements kong.HelpProvider.
func (deadRemove) Help() string { return removeHelp }

// errNotConfirmed ends a removal that nobody has confirmed.
var errNotConfirmed = errors.New("nothing was removed")

func (r *deadRemove) run(ctx context.Context, conn *broker.Conn, con console) error {
	letters, err := r.choose(ctx, conn)
	if err != nil {
		return stopped(ctx, err)
	}
	if err := r.confirm(ctx, &letters, con); err != nil {
		return stopped(ctx, err)
	}
	watch, err := watchProgress(ctx, con, "removed", &letters)
	if err != nil {
		return stopped(ctx, err)
	}
	encoder := json.NewEncoder(con.out)
	n := 0
	err = conn.RemoveDead(ctx, letters.letters(ctx), func(b broker.Buried) {
		n++
		watch.step()
		if r.JSON {
			_ = encoder.Encode(map[string]any{"letter": b.Sequence, "id": b.Letter.ID}) // where nobody reads, the removal goes on
		}
	})
	watch.clear()
	if !r.JSON {
		fmt.Fprintf(con.out, "%s removed\n", count(n, "letter"))
	}
	if err == nil {
		err = letters.absent()
	}
	return stopped(ctx, err)
}

// confirm asks for a yes, unless it is given.
func (r *deadRemove) confirm(ctx context.Context, letters *chosen, con console) error {
	if r.Yes {
		return nil
	}
	if !con.asks {
		return fmt.Errorf("%w: there is no terminal to ask on; give --yes", errNotConfirmed)
	}
	n, err := letters.size(ctx)
	if err != nil || n == 0 {
		return err
	}
	fmt.Fprintf(con.err, "Remove %s for good? [y/N] ", count(n, "letter"))
	answer, _ := bufio.NewReader(con.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}
