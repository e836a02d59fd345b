package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// The styles of a terminal. Each is what switches it on.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	cyan   = "36"
)

// styled reports whether w is a terminal, and its user has not turned colour off.
func styled(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(*os.File)
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printer writes for people, in whole lines. It is safe for concurrent use.
type printer struct {
	mu     sync.Mutex
	w      io.Writer
	styled bool
}

func newPrinter(w io.Writer, styled bool) *printer { return &printer{w: w, styled: styled} }

// line writes a line, or several at once.
func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *printer) style(code, text string) string {
	if !p.styled {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	clock     = "15:04:05.000"
	margin    = "    "
	textStart = margin + "              " + "          " // below the third column
)

// step announces step number n of the story.
func (p *printer) step(n int, title string) {
	p.line("\n%s  %s", p.style(faint, fmt.Sprintf("%2d", n)), p.style(bold, title))
}

// row writes one line of the three columns: when, what, and the rest.
func (p *printer) row(at time.Time, what, color, text string) {
	p.line("%s%s  %s  %s", margin, p.style(faint, at.Local().Format(clock)), p.style(color, fmt.Sprintf("%-8s", what)), text)
}

// sent shows a webhook and its answer.
func (p *printer) sent(at time.Time, w sandbox.Webhook, a sandbox.Answer, right bool) {
	color := green
	if !right {
		color = red
	}
	names := strings.ReplaceAll(w.Name, ", ", "\n"+textStart)
	p.row(at, "webhook", blue, fmt.Sprintf("%s  %s → %s %s",
		names, p.style(faint, "/webhooks/"+string(w.Feed)), p.style(color, fmt.Sprint(a.Status)),
		p.style(faint, "in "+a.Took.Round(100*time.Microsecond).String())))
}

// seen shows what came out at one of the stages.
func (p *printer) seen(s sighting) {
	if s.stage == events.StageRaw {
		p.seenAs(s, s.event.Name+" → "+s.subject)
		return
	}
	p.seenAs(s, s.subject)
}

// later shows what came after the story, with an empty line before each event.
func (p *printer) later(s sighting) {
	if s.stage != events.StageEnriched {
		p.line("")
	}
	p.seen(s)
}

// seenAs is seen with a title of the caller's own.
func (p *printer) seenAs(s sighting, title string) {
	title = clean(title)
	switch {
	case s.err != nil:
		p.row(s.at, string(s.stage), red, clean(s.subject)+"\n"+textStart+p.style(red, "unreadable: "+clean(s.err.Error())))
	case s.dead != nil:
		p.row(s.at, "dead", red, title+"\n"+textStart+p.style(red, reasonOf(s.dead)))
	case s.roster != nil:
		p.row(s.at, "enriched", green, title+p.people(*s.roster, s.event.PreAction))
	default:
		p.row(s.at, "raw", yellow, title)
	}
}

func reasonOf(d *events.DeadLetter) string {
	parts := []string{string(d.Reason)}
	if d.Detail != "" {
		parts = append(parts, d.Detail)
	}
	if len(d.Problems) > 0 {
		parts = append(parts, d.Problems.Error())
	}
	return clean(strings.Join(parts, ": "))
}
