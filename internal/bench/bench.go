package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is what a bench does. The zero value of a field means its default.
type Config struct {
	Source   string        // the module's root; default "."
	Short    bool          // small and quick: to show that it works, not to judge
	Rounds   int           // of all that is measured in rounds; default 3, short 1
	Soak     time.Duration // how long the memory of both is watched under load; default 5 min, short 5 s
	Profiles string        // directory that keeps the profiles; "" for none
	Only     []string      // which of Parts to measure; default all
	Progress io.Writer     // told of each step
}

// Bench is one run.
type Bench struct {
	cfg       Config
	size      sizes
	dir       string // all that is written, but the report
	bin       string
	began     time.Time
	started   int
	processes []*process
	samples   samples
	report    Report
}

// Run measures everything. All that it starts has ended when it returns, and all that it wrote is removed, whatever happened.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	b := &Bench{cfg: cfg, size: full(), began: time.Now(), samples: samples{}}
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	if cfg.Short {
		b.size = short()
	}
	if cfg.Source == "" {
		b.cfg.Source = "."
	}
	if cfg.Rounds > 0 {
		b.size.rounds = cfg.Rounds
	}
	if cfg.Soak > 0 {
		b.size.soak = cfg.Soak
	}
	if b.dir, err = os.MkdirTemp("", "rollcall-bench-"); err != nil {
		return Report{}, fmt.Errorf("make a directory: %w", err)
	}
	b.bin = filepath.Join(b.dir, "bin")
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.build(ctx); err != nil {
		return Report{}, err
	}
	b.report.Machine, b.report.Short = b.machine(ctx), cfg.Short
	b.report.Rounds = b.size.rounds
	if err := b.measure(ctx); err != nil {
		return Report{}, err
	}
	b.report.Rows = b.rows()
	if len(cfg.Only) > 0 {
		b.report.Rows = slices.DeleteFunc(b.report.Rows, func(r Row) bool { return r.unknown })
	}
	b.report.Seconds = time.Since(b.began).Seconds()
	return b.report, nil
}

// part is what can be measured alone.
type part struct {
	name     string
	compared func(*Bench, context.Context, mode) error // measured in rounds, with what it is compared with
	once     func(*Bench, context.Context) error
}

func parts() []part {
	return []part{
		{name: "ingest", compared: (*Bench).ingest},
		{name: "enricher", compared: (*Bench).enrich},
		{name: "end-to-end", compared: (*Bench).endToEnd},
		{name: "hot-keys", once: (*Bench).hotKeys},
		{name: "participants", once: (*Bench).participants},
		{name: "scale", once: (*Bench).scale},
		{name: "memory", once: (*Bench).memory},
		{name: "watch", once: (*Bench).soak},
		{name: "profiles", once: (*Bench).profiles},
	}
}

// Parts are the names that Config.Only may hold.
func Parts() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// measures reports whether p is to be measured.
func (cfg Config) measures(p part) bool {
	return len(cfg.Only) == 0 || slices.Contains(cfg.Only, p.name)
}

// check says which of cfg.Only is no part.
func (cfg Config) check() error {
	for _, name := range cfg.Only {
		if !slices.Contains(Parts(), name) {
			return fmt.Errorf("measure only %q: there is no such part; there are %s", name, strings.Join(Parts(), ", "))
		}
	}
	return nil
}

// measure takes the figures: those that are compared with one another in turn, round after round, and the others once.
func (b *Bench) measure(ctx context.Context) error {
	for round := range b.size.rounds {
		for _, m := range modes() {
			b.say("round %d of %d, %s", round+1, b.size.rounds, m)
			for _, p := range parts() {
				if p.compared == nil || !b.cfg.measures(p) {
					continue
				}
				if err := p.compared(b, ctx, m); err != nil {
					return err
				}
			}
		}
	}
	for _, p := range parts() {
		if p.once == nil || !b.cfg.measures(p) {
			continue
		}
		if err := p.once(b, ctx); err != nil {
			return err
		}
	}
	return nil
}

// mode is how NATS keeps what it acknowledges.
type mode bool

const (
	defaultSync mode = false
	syncAlways  mode = true
)

func modes() []mode { return []mode{defaultSync, syncAlways} }

// String is the mode as the table has it.
func (m mode) String() string {
	if m == syncAlways {
		return "sync_interval: always"
	}
	return "default sync"
}

// close ends every process that is left, the last first, and removes all files.
func (b *Bench) close() error {
	for _, p := range slices.Backward(b.processes) {
		p.stop()
	}
	return os.RemoveAll(b.dir)
}

// say tells how far things are.
func (b *Bench) say(format string, args ...any) {
	if b.cfg.Progress != nil {
		fmt.Fprintf(b.cfg.Progress, "%6.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// found notes a figure of one round.
func (b *Bench) found(m mode, figure string, value float64) {
	key := sample{m, figure}
	b.samples[key] = append(b.samples[key], value)
	b.say("  %-52s %12.4g", figure, value)
}
