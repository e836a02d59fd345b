package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Profile is where a program's processor time goes while it is measured.
type Profile struct {
	Program string `json:"program"`
	Top     string `json:"top"` // of go tool pprof
}

// profiler is compiled into the programs that are profiled, and into no other: from SIGUSR1 to SIGUSR2 it writes a profile.
const profiler = `package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	name := os.Getenv("BENCH_PROFILE")
	begin, end := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	signal.Notify(end, syscall.SIGUSR2)
	go func() {
		<-begin
		f, err := os.Create(name + ".part")
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			panic(err)
		}
		<-end
		pprof.StopCPUProfile()
		if err := os.Rename(f.Name(), name); err != nil {
			panic(err)
		}
	}()
}
`

// profiledDir is where those are, below the other programs.
const profiledDir = "profiled"

// buildProfiled compiles ingest and the enricher with the profiler laid over their sources, which stay as they are.
func (b *Bench) buildProfiled(ctx context.Context) error {
	source, err := filepath.Abs(b.cfg.Source)
	if err != nil {
		return fmt.Errorf("build for the profile: %w", err)
	}
	file := filepath.Join(b.dir, "profiler.go")
	replace := map[string]string{}
	for _, program := range []string{ingestProgram, enricherProgram} {
		replace[filepath.Join(source, "cmd", program, "profiler.go")] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return fmt.Errorf("build for the profile: %w", err)
	}
	list := filepath.Join(b.dir, "overlay.json")
	if err := errors.Join(os.WriteFile(file, []byte(profiler), 0o600), os.WriteFile(list, overlay, 0o600)); err != nil {
		return fmt.Errorf("build for the profile: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-o", filepath.Join(b.bin, profiledDir)+string(os.PathSeparator), //nolint:gosec // no part of it comes from outside
		"./cmd/ingest", "./cmd/enricher")
	cmd.Dir = b.cfg.Source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for the profile: %w: %s", err, out)
	}
	return nil
}

// profiles shows where the processor time of both goes when they have as much to do as they can.
func (b *Bench) profiles(ctx context.Context) error {
	b.say("profiles of ingest and the enricher")
	if err := b.buildProfiled(ctx); err != nil {
		return err
	}
	if err := b.profileIngest(ctx); err != nil {
		return fmt.Errorf("profile ingest: %w", err)
	}
	if err := b.profileEnricher(ctx); err != nil {
		return fmt.Errorf("profile the enricher: %w", err)
	}
	return nil
}

func (b *Bench) profileIngest(ctx context.Context) error {
	r, err := b.startRig(ctx, false, 0, form(b.size.most))
	if err != nil {
		return err
	}
	defer r.close()
	r.profiled = true
	if err := r.startIngest(ctx); err != nil {
		return err
	}
	err = b.profile(ctx, r.ingest, func() error { return r.fill(ctx, b.size.webhooks[defaultSync]) })
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

func (b *Bench) profileEnricher(ctx context.Context) error {
	r, err := b.startRig(ctx, false, apiLatency, turns(b.size.most))
	if err != nil {
		return err
	}
	defer r.close()
	r.profiled = true
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	f, err := r.newFeed(b.size.most, b.size.turns, 1)
	if err != nil {
		return err
	}
	err = b.profile(ctx, r.enricher, func() error {
		_, err := f.run(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

// profile keeps a profile of p from the beginning of work to its end.
func (b *Bench) profile(ctx context.Context, p *process, work func() error) error {
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		return err
	}
	file := b.profileOf(p.name)
	err := p.ready(ctx, func(context.Context) error {
		_, err := os.Stat(file)
		return err
	})
	if err != nil {
		return err
	}
	const shown = "15"
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount="+shown, file).Output() //nolint:gosec // what was written here
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	b.report.Profiles = append(b.report.Profiles, Profile{p.name, topOf(string(out))})
	return b.keepProfile(p.name, file)
}

// profileOf is where the profile of a program goes.
func (b *Bench) profileOf(program string) string { return filepath.Join(b.dir, program+".prof") }

// topOf leaves out what pprof says of files and dates.
func topOf(out string) string {
	if at := strings.Index(out, "Duration:"); at >= 0 {
		out = out[at:]
	}
	return strings.TrimSpace(out)
}

// keepProfile copies a profile to where it stays, if there is such a place.
func (b *Bench) keepProfile(program, file string) error {
	if b.cfg.Profiles == "" {
		return nil
	}
	whole, err := os.ReadFile(file)
	if err == nil {
		err = os.MkdirAll(b.cfg.Profiles, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(b.cfg.Profiles, program+".prof"), whole, 0o600) //nolint:gosec // the directory is the caller's to choose
	}
	if err != nil {
		return fmt.Errorf("keep the profile: %w", err)
	}
	return nil
}
