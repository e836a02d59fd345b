package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
)

// deadList are the settings of "dead ls".
type deadList struct {
	DeadAccess `embed:""`
	DeadFilter `embed:""`
}

func (l *deadList) run(ctx context.Context, conn *broker.Conn, con console) error {
	c := chosen{conn: conn, filter: l.broker(time.Now()), limit: l.most()}
	if l.JSON {
		return stopped(ctx, listJSON(ctx, &c, con.out))
	}
	return stopped(ctx, listTable(ctx, &c, con.out))
}

// summary is a letter for programs: what ls shows, and a little more. It holds nothing that anybody wrote.
type summary struct {
	Letter     uint64        `json:"letter"`
	ID         string        `json:"id,omitempty"` // of the event
	BuriedAt   time.Time     `json:"buried_at"`
	Reason     events.Reason `json:"reason,omitempty"`
	Detail     string        `json:"detail,omitempty"`
	API        string        `json:"api"`
	Resource   string        `json:"resource"`
	Action     string        `json:"action"`
	Key        string        `json:"key"`
	Account    string        `json:"account_sid,omitempty"`
	Attempts   int           `json:"attempts"`
	Bytes      int           `json:"bytes"`
	Replayable bool          `json:"replayable"`
	WhyNot     string        `json:"not_replayable,omitempty"`
}

func summarize(b broker.Buried) summary {
	s := summary{
		Letter: b.Sequence, ID: b.Letter.ID, BuriedAt: b.BuriedAt, Reason: b.Letter.Reason, Detail: b.Letter.Detail,
		API: b.API, Resource: b.Resource, Action: b.Action, Key: b.Key, Account: string(b.Letter.Account),
		Attempts: b.Letter.Attempts, Bytes: b.Size, Replayable: true,
	}
	if _, err := b.Replay(); err != nil {
		s.Replayable, s.WhyNot = false, err.Error()
	}
	return s
}

func listJSON(ctx context.Context, c *chosen, out io.Writer) error {
	encoder := json.NewEncoder(out)
	for b, err := range c.letters(ctx) {
		if err != nil {
			return err
		}
		if err := encoder.Encode(summarize(b)); err != nil {
			return fmt.Errorf("print a letter: %w", err)
		}
	}
	return nil
}

func listTable(ctx context.Context, c *chosen, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	for b, err := range c.letters(ctx) {
		if err != nil {
			return err
		}
		if n++; n == 1 {
			fmt.Fprintln(table, "LETTER\tBURIED\tREASON\tEVENT\tKEY\tREPLAY")
		}
		s := summarize(b)
		fmt.Fprintf(table, "%d\t%s\t%s\t%s.%s.%s\t%s\t%s\n", s.Letter, s.BuriedAt.Format(time.RFC3339),
			orNone(string(s.Reason)), s.API, s.Resource, s.Action, s.Key, canOrNot(s.Replayable))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the letters: %w", err)
	}
	fmt.Fprintln(out, count(n, "dead letter"))
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func canOrNot(can bool) string {
	if can {
		return "can"
	}
	return "cannot"
}

// deadShow are the settings of "dead show".
type deadShow struct {
	DeadAccess `embed:""`
	ID         string `arg:"" name:"letter" help:"The letter, by its number or by its event's id; digits alone are a number, id:17 is an id."`
}

func (s *deadShow) run(ctx context.Context, conn *broker.Conn, con console) error {
	choice := DeadChoice{ID: []string{s.ID}}
	letters, err := choice.choose(ctx, conn)
	if err != nil {
		return stopped(ctx, err)
	}
	for _, b := range letters.named {
		text, err := wholeLetter(b, s.JSON)
		if err != nil {
			return err
		}
		fmt.Fprintf(con.out, "%s\n", text)
	}
	return nil
}

// wholeLetter is the letter as it is stored, on one line or indented. What is no JSON comes as base64.
func wholeLetter(b broker.Buried, oneLine bool) ([]byte, error) {
	data := b.Data
	if !json.Valid(data) {
		var err error
		if data, err = json.Marshal(map[string]any{"letter": b.Sequence, "unreadable": fmt.Sprint(b.Err), "data": b.Data}); err != nil {
			return nil, fmt.Errorf("print letter %d: %w", b.Sequence, err)
		}
	}
	var text bytes.Buffer
	var err error
	if oneLine {
		err = json.Compact(&text, data)
	} else {
		err = json.Indent(&text, data, "", "  ")
	}
	if err != nil {
		return nil, fmt.Errorf("print letter %d: %w", b.Sequence, err)
	}
	return text.Bytes(), nil
}
