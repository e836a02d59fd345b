package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// tally counts what became of the webhooks of one feed.
type tally struct {
	sent, right                 int // webhooks, and those of them that had the right answer
	raw, enriched, dead, absent int // events
	wrong                       int // other problems
}

// checklist has the events that a story wants, each with all that each must hold, and ticks off what comes out. A
// sandbox.Ledger knows no wants: it judges whatever was sent, by what the streams hold of it.
type checklist struct {
	feeds    map[events.Feed]*tally
	wants    map[string]*expectation
	problems []string
}

// expectation is one event that must come out.
type expectation struct {
	sandbox.Want
	feed events.Feed
	raw  int
	out  int // enriched events and dead letters
}

func newChecklist() *checklist {
	return &checklist{feeds: map[events.Feed]*tally{}, wants: map[string]*expectation{}}
}

func (c *checklist) feed(f events.Feed) *tally {
	if c.feeds[f] == nil {
		c.feeds[f] = &tally{}
	}
	return c.feeds[f]
}

// sent records the answer to a step, and what must come out. It reports whether the answer is right.
func (c *checklist) sent(step sandbox.Step, status int) bool {
	t := c.feed(step.Webhook.Feed)
	t.sent++
	for _, w := range step.Wants {
		c.wants[w.ID] = &expectation{Want: w, feed: step.Webhook.Feed}
	}
	if status == step.Status {
		t.right++
		return true
	}
	problem := fmt.Sprintf("%s: answered %d, want %d", step.Webhook.Name, status, step.Status)
	if status == http.StatusForbidden {
		problem += ": the ingest has another TWILIO_AUTH_TOKEN or ROLLCALL_PUBLIC_URL"
	}
	c.wrong(t, problem)
	return false
}

func (c *checklist) wrong(t *tally, problem string) {
	t.wrong++
	c.problems = append(c.problems, problem)
}

// saw records what came out, and what is wrong with it.
func (c *checklist) saw(s sighting) {
	want, ok := c.wants[s.id]
	if !ok {
		c.wrong(c.feed(feedOf(s)), fmt.Sprintf("%s event that nothing was to come of: %s", s.stage, s.subject))
		return
	}
	t := c.feed(want.feed)
	var wrong []string
	times := &want.out
	switch {
	case s.roster != nil:
		t.enriched++
		wrong = want.CheckEnriched(events.Enriched{Event: s.event, Roster: *s.roster})
	case s.dead != nil:
		t.dead++
		wrong = want.CheckDead(*s.dead)
	default:
		t.raw++
		times = &want.raw
	}
	if *times++; *times > 1 {
		wrong = append(wrong, "came more than once")
	}
	for _, w := range wrong {
		c.wrong(t, fmt.Sprintf("%s: %s", s.subject, w))
	}
}

func feedOf(s sighting) events.Feed {
	if s.dead != nil {
		return s.dead.Feed
	}
	return s.event.Feed
}

// done reports whether everything that w wants has come out.
func (c *checklist) done(w sandbox.Want) bool {
	e := c.wants[w.ID]
	return e.out > 0 && (e.raw > 0 || e.Reason != "")
}

// close records everything that is missing.
func (c *checklist) close() {
	for _, id := range sortedKeys(c.wants) {
		e := c.wants[id]
		if e.out == 0 {
			c.feed(e.feed).absent++
			c.problems = append(c.problems, fmt.Sprintf("%s event %s did not come out", e.feed, id))
		} else if e.raw == 0 && e.Reason == "" {
			c.wrong(c.feed(e.feed), fmt.Sprintf("%s event %s is not in the record of raw events", e.feed, id))
		}
	}
}

// total sums the feeds.
func (c *checklist) total() (sum tally) {
	for _, t := range c.feeds {
		sum.sent, sum.right = sum.sent+t.sent, sum.right+t.right
		sum.raw, sum.enriched, sum.dead = sum.raw+t.raw, sum.enriched+t.enriched, sum.dead+t.dead
		sum.absent, sum.wrong = sum.absent+t.absent, sum.wrong+t.wrong
	}
	return sum
}

// err returns nil if everything came out right.
func (c *checklist) err() error {
	if t := c.total(); t.absent > 0 || t.wrong > 0 {
		return fmt.Errorf("not everything came out right: %d missing, %d wrong", t.absent, t.wrong)
	}
	return nil
}

// print writes the summary.
func (c *checklist) print(p *printer) {
	p.line("\n%s", p.style(bold, "Summary"))
	const format = "%-14s %8v %9v %6v %9v %5v %8v %6v"
	p.line(margin+format, "feed", "webhooks", "answered*", "raw", "enriched", "dead", "missing", "wrong")
	row := func(name string, t tally) {
		p.line(margin+format, name, t.sent, t.right, t.raw, t.enriched, t.dead, t.absent, t.wrong)
	}
	for _, f := range sortedKeys(c.feeds) {
		row(string(f), *c.feeds[f])
	}
	row("all", c.total())
	p.line("%s", p.style(faint, margin+"* as they should be: 403 for the forged one, else 200. An event that is dead on arrival was never raw."))
	c.printProblems(p)
}

// printAnswers writes the summary when only answers are judged.
func (c *checklist) printAnswers(p *printer) {
	t := c.total()
	p.line("\n%s", p.style(bold, fmt.Sprintf("%d webhooks sent, %d of them answered as they should be.", t.sent, t.right)))
	c.printProblems(p)
}

func (c *checklist) printProblems(p *printer) {
	for _, problem := range c.problems {
		p.line("%s%s", margin, p.style(red, problem))
	}
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
