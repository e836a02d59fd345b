package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// progress shows how far a command is to somebody who watches. Its zero value shows nothing.
type progress struct {
	out      io.Writer // nil: nobody watches
	what     string
	n, total int
	drawn    time.Time
}

// progressEvery is how often it is drawn anew.
const progressEvery = 100 * time.Millisecond

// watchProgress counts the letters first, where somebody watches.
func watchProgress(ctx context.Context, con console, what string, letters *chosen) (*progress, error) {
	if !con.shows {
		return &progress{}, nil
	}
	total, err := letters.size(ctx)
	return &progress{out: con.err, what: what, total: total}, err
}

// step counts one more.
func (p *progress) step() {
	p.n++
	if p.out != nil && time.Since(p.drawn) >= progressEvery {
		p.draw()
	}
}

func (p *progress) draw() {
	p.drawn = time.Now()
	fmt.Fprintf(p.out, "\r%d of %d %s ", p.n, p.total, p.what)
}

// line prints a line to w, clear of the progress.
func (p *progress) line(w io.Writer, format string, args ...any) {
	p.clear()
	fmt.Fprintf(w, format, args...)
}

// clear takes the progress off its line, for what is printed next.
func (p *progress) clear() {
	if p.out != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}
