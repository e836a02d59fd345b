package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// underLoad starts everything, and returns it with arguments that put it under load.
func underLoad(t *testing.T, faults ...sandbox.Fault) (*pipeline, []string) {
	t.Helper()
	var a account
	cast := a.cast()
	pipe, _, err := startPipeline(t.Context(), pipelineConfig{
		dir: t.TempDir(), listen: "127.0.0.1:0", natsListen: "127.0.0.1:0", account: cast.Account, token: a.token(),
		world: sandbox.NewWorld(cast.State(a.token())), faults: faults, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pipe.stop(); err != nil {
			t.Error(err)
		}
	})
	return pipe, []string{"load", "--target", pipe.webhooks, "--twilio", pipe.twilio, "--conversations", "20", "--connections", "8"}
}

func TestLoadIsJudgedByTheLedger(t *testing.T) {
	pipe, args := underLoad(t)
	dir := t.TempDir()
	result, svg := filepath.Join(dir, "load.json"), filepath.Join(dir, "load.svg")
	p := start(t, append(args, "--nats-url", pipe.nats, "--rate", "400", "--duration", "1500ms", "--json", result, "--plot", svg)...)
	p.wait(t)
	p.find(t, `0 lost, 0 twice, 0 out of order, 0 other faults`)
	p.find(t, `done .* p99 .* 0 failed`) // the progress
	b, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		load.Result
		Ledger load.Outcome `json:"ledger"`
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	if n := report.Done; n < 400 || report.Answers[200] != n || report.Ledger.Owed != n || report.Ledger.Enriched != n {
		t.Errorf("got %d done, answers %v and %+v, want all of some 600 enriched", n, report.Answers, report.Ledger)
	}
	if plotted, err := os.ReadFile(svg); err != nil || !strings.Contains(string(plotted), "</svg>") {
		t.Errorf("got a plot of %d bytes and %v, want an SVG", len(plotted), err)
	}
}

// An event of a conversation that Twilio does not know comes out dead, and what is kept beside it of that is no event.
func TestLoadThatDiesIsJudgedToo(t *testing.T) {
	pipe, args := underLoad(t)
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "--twilio" || arg == pipe.twilio })
	p := start(t, append(args, "--nats-url", pipe.nats, "--rate", "100", "--duration", "1s")...)
	p.wait(t)
	p.find(t, ` 0 enriched, [1-9][0-9]* dead; 0 lost, 0 twice, 0 out of order, 0 other faults`)
}

// What waits in QUEUE, as while Twilio refuses the account, is not lost, and the way on is said.
func TestLoadThatIsHeldIsNotLost(t *testing.T) {
	pipe, args := underLoad(t, sandbox.Fault{Status: 401})
	out, told := &output{}, &output{}
	err := run(t.Context(), append(args, "--nats-url", pipe.nats, "--rate", "100", "--duration", "500ms", "--patience", "1s"), noEnv, out, out)
	if exitCode(err, told) != exitFailed || !strings.Contains(told.String(), "still queued: see the enricher's /readyz") || strings.Contains(told.String(), "lost") {
		t.Errorf("got %q, want that it is still queued and not lost", told)
	}
	if !regexp.MustCompile(` 0 enriched, 0 dead; [1-9][0-9]* still queued, 0 lost`).MatchString(out.String()) {
		t.Errorf("got no event still queued in:\n%s", out)
	}
}

// A closed loop ends when its time is over, and without NATS only answers are judged.
func TestLoadInAClosedLoop(t *testing.T) {
	_, args := underLoad(t)
	p := start(t, append(args, "--rate", "0", "--duration", "300ms")...)
	p.wait(t)
	p.find(t, `closed, 8 connections`)
	if strings.Contains(p.String(), "ledger") {
		t.Errorf("got a verdict without NATS:\n%s", p)
	}
}

func TestLoadWithAnotherTokenFails(t *testing.T) {
	_, args := underLoad(t)
	out := &output{}
	err := run(t.Context(), append(args, "--rate", "50", "--duration", "200ms"), func(name string) string {
		return map[string]string{"TWILIO_AUTH_TOKEN": "another token"}[name]
	}, out, out)
	if err == nil || !strings.Contains(err.Error(), "TWILIO_AUTH_TOKEN") {
		t.Errorf("got %v, want an error that names TWILIO_AUTH_TOKEN; output:\n%s", err, out)
	}
}

func TestLoadRefusesWhatCannotBe(t *testing.T) {
	out := &output{}
	err := run(t.Context(), []string{"load", "--target", "nowhere", "--rate=-1", "--connections", "0", "--duration", "0s"}, noEnv, out, out)
	for _, want := range []string{"--target", "--rate", "--connections", "--duration"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s among what is wrong", err, want)
		}
	}
}
