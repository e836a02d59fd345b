package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
)

// told is a checklist that was told of one message of Dana's, with what comes out for it when all is well.
func told() (c *checklist, raw, enriched sighting) {
	dana := sandbox.NewCast(sandbox.SID("AC", "test")).Dana.Expected()
	c = newChecklist()
	c.sent(sandbox.Step{
		Webhook: sandbox.Webhook{Feed: events.FeedConversations, Name: "onMessageAdded"}, Status: 200,
		Wants: []sandbox.Want{{ID: "a", Name: "onMessageAdded", Roster: events.RosterResolved, People: []participants.Participant{dana}}},
	}, 200)
	e := events.Event{ID: "a", Name: "onMessageAdded", Feed: events.FeedConversations}
	roster := events.Roster{Status: events.RosterResolved, Participants: []participants.Participant{dana}}
	raw = sighting{id: "a", stage: events.StageRaw, event: e}
	enriched = sighting{id: "a", stage: events.StageEnriched, event: e, roster: &roster}
	return c, raw, enriched
}

func TestChecklist(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		see        func(c *checklist, raw, enriched sighting)
	}{
		{"all is well", "", func(c *checklist, raw, enriched sighting) { c.saw(raw); c.saw(enriched) }},
		{"nothing came", "1 missing, 0 wrong", func(*checklist, sighting, sighting) {}},
		{"never raw", "0 missing, 1 wrong", func(c *checklist, _, enriched sighting) { c.saw(enriched) }},
		{"raw twice", "0 missing, 1 wrong", func(c *checklist, raw, enriched sighting) { c.saw(raw); c.saw(raw); c.saw(enriched) }},
		{"enriched twice", "0 missing, 1 wrong", func(c *checklist, raw, enriched sighting) { c.saw(raw); c.saw(enriched); c.saw(enriched) }},
		{"enriched and dead", "0 missing, 2 wrong", func(c *checklist, raw, enriched sighting) {
			c.saw(raw)
			c.saw(enriched)
			c.saw(sighting{id: "a", stage: events.StageDead, dead: &events.DeadLetter{ID: "a", Reason: events.ReasonInvalid}})
		}},
		{"without Dana", "0 missing, 1 wrong", func(c *checklist, raw, enriched sighting) {
			enriched.roster = &events.Roster{Status: events.RosterResolved}
			c.saw(raw)
			c.saw(enriched)
		}},
		{"one that was never sent", "0 missing, 1 wrong", func(c *checklist, raw, enriched sighting) {
			c.saw(raw)
			c.saw(enriched)
			raw.id = "b"
			c.saw(raw)
		}},
		{"wrong answer", "0 missing, 1 wrong", func(c *checklist, raw, enriched sighting) {
			c.saw(raw)
			c.saw(enriched)
			c.sent(sandbox.Step{Webhook: sandbox.Webhook{Feed: events.FeedFlex}, Status: 403}, 200)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, raw, enriched := told()
			tt.see(c, raw, enriched)
			c.close()
			switch err := c.err(); {
			case tt.says == "" && err != nil:
				t.Errorf("got %v (%q), want nothing wrong", err, c.problems)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v (%q), want %s", err, c.problems, tt.says)
			}
		})
	}
}

func TestOrderShowsRawBeforeEnriched(t *testing.T) {
	_, raw, enriched := told()
	var o order
	if got := o.take(enriched); len(got) != 0 {
		t.Errorf("got %d shown before the raw event, want none", len(got))
	}
	if got := o.take(raw); len(got) != 2 || got[0].stage != events.StageRaw || got[1].stage != events.StageEnriched {
		t.Errorf("got %v, want the raw event, then the enriched one", got)
	}
	if got := o.take(enriched); len(got) != 1 {
		t.Errorf("got %d shown of an event that came again, want 1", len(got))
	}
}

func TestColourChangesNothingButColour(t *testing.T) {
	_, raw, enriched := told()
	raw.at, enriched.at = time.Now(), time.Now()
	show := func(styled bool) string {
		var out bytes.Buffer
		p := newPrinter(&out, styled)
		p.step(1, "Dana says hello")
		p.sent(raw.at, sandbox.Webhook{Feed: events.FeedConversations, Name: "onMessageAdded"}, sandbox.Answer{Status: 200}, true)
		p.seen(raw)
		p.seen(enriched)
		return out.String()
	}
	plain, colour := show(false), show(true)
	if plain == colour {
		t.Error("got no colour, want some")
	}
	if got := regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(colour, ""); got != plain {
		t.Errorf("got %q without its colour, want %q", got, plain)
	}
}

func TestWhatComesFromOutsideCannotDriveTheTerminal(t *testing.T) {
	var out bytes.Buffer
	newPrinter(&out, false).seen(sighting{
		stage: events.StageEnriched,
		roster: &events.Roster{Participants: []participants.Participant{{
			Type: "\x1b[2J", Name: "Dana\nReyes\u009b", Identity: "da\rna", Addresses: []participants.Address{{Channel: "\a", Address: "\x7f", ProxyAddress: "\b"}},
		}}},
	})
	for _, r := range strings.ReplaceAll(out.String(), "\n"+textStart, "") {
		if r != '\n' && printable(r) != r {
			t.Errorf("got %q in the output, want no control characters", r)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("got %d lines, want 2: %q", lines, out.String())
	}
}
