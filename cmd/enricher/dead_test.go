package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

// dead runs "dead" with args, which must end with the exit code, and returns what it prints.
func (w *world) dead(want int, args ...string) string {
	w.t.Helper()
	out, code := w.command(append(append([]string{"dead"}, args...), "--nats-url", w.url)...)
	if code != want {
		w.t.Fatalf("dead %s: got exit code %d and %q, want %d", strings.Join(args, " "), code, out, want)
	}
	return out
}

// deadAt runs "dead" with args at a console.
func (w *world) deadAt(con console, args ...string) error {
	w.t.Helper()
	var cli commands
	parsed, err := program(func(string) string { return "" }, con.out, con.err).Parse(&cli, append(append([]string{"dead"}, args...), "--nats-url", w.url))
	if err != nil {
		w.t.Fatal(err)
	}
	return dead(w.t.Context(), &cli.Dead, parsed.Command, con)
}

// bury stores dead letters as ingest does.
func (w *world) bury(letters ...events.DeadLetter) {
	w.t.Helper()
	for _, d := range letters {
		if err := w.ingest.PublishDead(w.t.Context(), d); err != nil {
			w.t.Fatal(err)
		}
	}
}

func letterOf(e events.Event, reason events.Reason) events.DeadLetter {
	return events.DeadLetter{ID: e.ID, Reason: reason, FailedAt: time.Now().UTC(), Event: &e, Feed: e.Feed, Account: e.Account, Attempts: 2}
}

func unparseable(body string) events.DeadLetter {
	return events.DeadLetter{Reason: events.ReasonUnparseable, FailedAt: time.Now().UTC(), Feed: events.FeedConversations, Account: account, Body: []byte(body)}
}

func lines(out string) []string { return strings.Split(strings.TrimSpace(out), "\n") }

func TestDeadLettersInATableAndWhole(t *testing.T) {
	w := newWorld(t)
	if out := w.dead(process.OK, "ls"); out != "0 dead letters\n" {
		t.Errorf("got %q, want none", out)
	}
	w.bury(letterOf(message(1, 1), events.ReasonNotFound), letterOf(message(2, 1), events.ReasonOverdue), unparseable("secret"))
	out := w.dead(process.OK, "ls")
	table := lines(out)
	if len(table) != 5 || table[4] != "3 dead letters" {
		t.Fatalf("got %q, want a head, three letters and their number", out)
	}
	row := regexp.MustCompile(`^1 +\S+Z +not_found +conversations\.message\.added +CH0+1 +can$`)
	if !row.MatchString(table[1]) || !strings.HasSuffix(table[3], "cannot") {
		t.Errorf("got %q and %q, want letter 1, which can be replayed, and letter 3, which cannot", table[1], table[3])
	}
	key := strings.Index(table[0], "KEY")
	for _, line := range table[1:4] {
		if line[key-1] != ' ' || line[key] == ' ' || len(line) > 120 {
			t.Errorf("got %q, want it aligned with %q, in 120 columns", line, table[0])
		}
	}
	if strings.Contains(out, "hello") || strings.Contains(out, "secret") {
		t.Errorf("got %q, want nothing that anybody wrote", out)
	}
	for _, id := range []string{"1", "1-1"} {
		if out := w.dead(process.OK, "show", id); !strings.Contains(out, `"Body": "hello"`) || !strings.HasPrefix(out, "{\n  ") {
			t.Errorf("show %s: got %q, want the letter whole and indented", id, out)
		}
	}
	if out := w.dead(process.OK, "show", "1", "--json"); len(lines(out)) != 1 || !json.Valid([]byte(out)) {
		t.Errorf("got %q, want one line of JSON", out)
	}
	for _, id := range []string{"99", "0"} {
		if out := w.dead(process.Failed, "show", id); !strings.Contains(out, "no dead letter "+id) {
			t.Errorf("got %q, want that there is none", out)
		}
	}
}

// An event's id may be a number too. What is meant never depends on which letters there are.
func TestDigitsAloneAreALettersNumber(t *testing.T) {
	w := newWorld(t)
	first, second := message(1, 1), message(2, 1)
	first.ID, second.ID = "2", "77"
	w.bury(letterOf(first, events.ReasonNotFound), letterOf(second, events.ReasonNotFound))
	for name, want := range map[string]string{"1": `"id":"2"`, "2": `"id":"77"`, "id:2": `"id":"2"`, "id:77": `"id":"77"`} {
		if out := w.dead(process.OK, "show", name, "--json"); !strings.Contains(out, want) {
			t.Errorf("show %s: got %q, want %s in it", name, out, want)
		}
	}
	for _, name := range []string{"77", "0", "99999999999999999999999", "id:1"} {
		if out := w.dead(process.Failed, "show", name); !strings.Contains(out, "no dead letter "+name) {
			t.Errorf("show %s: got %q, want that there is none", name, out)
		}
	}
}

func TestDeadLettersAsJSON(t *testing.T) {
	w := newWorld(t)
	w.bury(letterOf(message(1, 1), events.ReasonNotFound), unparseable("secret"))
	got := lines(w.dead(process.OK, "ls", "--json"))
	at := regexp.MustCompile(`"buried_at":"[^"]+","`)
	digest, bytes := regexp.MustCompile(`(sha256:)?[0-9a-f]{64}`), regexp.MustCompile(`"bytes":[1-9][0-9]+`)
	for i := range got {
		got[i] = bytes.ReplaceAllString(digest.ReplaceAllString(at.ReplaceAllString(got[i], `"buried_at":"T","`), "DIGEST"), `"bytes":N`)
	}
	want := []string{
		`{"letter":1,"id":"1-1","buried_at":"T","reason":"not_found","api":"conversations","resource":"message","action":"added",` +
			`"key":"CH00000000000000000000000000000001","account_sid":"AC00000000000000000000000000000001","attempts":2,"bytes":N,"replayable":true}`,
		`{"letter":2,"id":"DIGEST","buried_at":"T","reason":"unparseable","api":"conversations","resource":"unknown","action":"unknown",` +
			`"key":"AC00000000000000000000000000000001","account_sid":"AC00000000000000000000000000000001","attempts":0,"bytes":N,"replayable":false,` +
			`"not_replayable":"it holds no event, only bytes that none could be read from"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDeadFilters(t *testing.T) {
	w := newWorld(t)
	w.bury(letterOf(message(1, 1), events.ReasonNotFound), letterOf(message(2, 1), events.ReasonOverdue), letterOf(message(1, 2), events.ReasonRefused))
	for args, want := range map[string][]string{
		"":                         {"1-1", "2-1", "1-2"},
		"--reason overdue,refused": {"2-1", "1-2"},
		"--api flex":               nil,
		"--resource message":       {"1-1", "2-1", "1-2"},
		"--key CH00000000000000000000000000000001": {"1-1", "1-2"},
		"--since 1h --limit 2":                     {"1-1", "2-1"},
		"--until 2026-01-02":                       nil,
		"--until 1h":                               nil,
	} {
		var got []string
		for _, line := range lines(w.dead(process.OK, append([]string{"ls", "--json"}, strings.Fields(args)...)...)) {
			var s summary
			if line != "" && json.Unmarshal([]byte(line), &s) != nil {
				t.Fatalf("got %q, want JSON", line)
			}
			if s.ID != "" {
				got = append(got, s.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("ls %s: got %v, want %v", args, got, want)
		}
	}
}

func TestWrongQuestionsAboutDeadLetters(t *testing.T) {
	for args, want := range map[string]string{
		"ls --reason because":       "--reason names no reason",
		"ls --api v3":               "--api names no API",
		"ls --key a.>":              "--key is not a key",
		"ls --resource *":           "--resource is not a resource",
		"ls --since yesterday":      "--since is not a time",
		"ls --until -1h":            "--until",
		"ls --limit=-1":             "--limit is no number of letters",
		"rm --all --limit 0":        "--limit is no number of letters",
		"ls --since 1h --until 2h":  "--until is not after --since",
		"replay":                    "say which letters",
		"rm --limit 3":              "say which letters",
		"rm 1 --all":                "give either",
		"replay 1 --reason refused": "give either",
		"show":                      "<letter>",
		"ls --nats-url http://x":    "NATS_URL",
	} {
		if _, text, code := ask(t, nil, append([]string{"dead"}, strings.Fields(args)...)...); code != process.WrongSettings || !strings.Contains(text, want) {
			t.Errorf("dead %s: got exit code %d and %q, want %d and %q", args, code, text, process.WrongSettings, want)
		}
	}
	for args, want := range map[string]string{"dead --help": "dead replay 17", "dead replay --help": "duplicate", "dead rm --help": "--yes"} {
		if out, _, code := ask(t, nil, strings.Fields(args)...); code != process.OK || !strings.Contains(out, want) {
			t.Errorf("%s: got exit code %d and %q, want %q in it", args, code, out, want)
		}
	}
}

func TestDeadSaysThatNATSIsNotThere(t *testing.T) {
	w := &world{t: t, url: "nats://" + freeport.Address(t)}
	if out := w.dead(process.Failed, "ls"); !strings.Contains(out, "not connected") {
		t.Errorf("got %q, want that NATS is not connected", out)
	}
}

// What dies of a fault is enriched once the fault is gone and it is replayed, by the real pipeline.
func TestAReplayedLetterComesOutEnriched(t *testing.T) {
	w := newWorld(t)
	w.twilio.setAnswer(func(rw http.ResponseWriter, _ *http.Request, _ int) bool {
		fail(rw, http.StatusNotFound, 20404)
		return true
	})
	w.start()
	const conversations, each = 5, 4
	for n := range each {
		for c := range conversations {
			w.publish(t.Context(), message(c, n))
		}
	}
	w.out.await(t, 0, conversations*each)
	w.twilio.setAnswer(nil)
	if out := w.dead(process.OK, "replay", "--reason", "not_found", "--key", "CH"+strings.Repeat("0", 32)); !strings.Contains(out, "4 letters replayed") {
		t.Errorf("got %q, want 4 replayed", out)
	}
	w.dead(process.OK, "replay", "--all")
	w.awaitStored(conversations * each)
	await(t, "all of them", func() bool { n, _ := w.out.counts(); return n == conversations*each })
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	next := map[string]int{}
	for _, e := range w.out.enriched {
		var c, n int
		if _, err := fmt.Sscanf(e.ReplayOf, "%d-%d", &c, &n); err != nil || n != next[e.Key()] {
			t.Errorf("got %s, replay of %q, want event %d of its conversation", e.ID, e.ReplayOf, next[e.Key()])
		}
		next[e.Key()]++
		if e.Roster.Status != events.RosterResolved || len(e.Roster.Participants) != 1 {
			t.Errorf("%s: got roster %+v, want its participant", e.ID, e.Roster)
		}
	}
	if out := w.dead(process.OK, "ls"); out != "0 dead letters\n" {
		t.Errorf("got %q, want no letter left", out)
	}
}

func TestAReplayOfThousands(t *testing.T) {
	w := newWorld(t)
	const n = 2000
	for i := range n {
		w.bury(letterOf(message(i%100, i), events.ReasonOverdue))
	}
	w.bury(unparseable("x"), letterOf(message(1, n), events.ReasonForeignAccount))
	var out, shown syncBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := w.killed(ctx, cancel, &out)
	if !strings.Contains(killed, "run it again") {
		t.Errorf("got %q, want that it goes on when run again", killed)
	}
	if err := w.deadAt(console{out: &out, err: &shown, shows: true}, "replay", "--all", "--json"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(shown.String(), "replayed") || !strings.Contains(shown.String(), "\r") {
		t.Errorf("got %q, want progress", shown.String())
	}
	if !strings.Contains(shown.String(), "holds no event") || !strings.Contains(shown.String(), "1 letter left alone: foreign_account") {
		t.Errorf("got %q, want what was not replayed", shown.String())
	}
	seen := map[string]bool{}
	for _, line := range lines(out.String()) {
		var r replayed
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if r.As != "" && seen[r.ID] {
			t.Errorf("%s was replayed twice", r.ID)
		}
		seen[r.ID] = seen[r.ID] || r.As != ""
	}
	left := lines(w.dead(process.OK, "ls", "--json"))
	if len(left) != 2 {
		t.Errorf("got %d letters left, want the two that are not replayed", len(left))
	}
	w.start()
	w.awaitStored(n)
}

// killed runs "dead replay --all" and stops it in the middle; it returns what it ends with.
func (w *world) killed(ctx context.Context, kill func(), out *syncBuffer) string {
	w.t.Helper()
	go func() {
		defer kill()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil && strings.Count(out.String(), "\n") < 50 {
			<-ticker.C
		}
	}()
	var cli commands
	parsed, err := program(func(string) string { return "" }, out, out).Parse(&cli, []string{"dead", "replay", "--all", "--json", "--nats-url", w.url})
	if err != nil {
		w.t.Fatal(err)
	}
	var told syncBuffer
	return fmt.Sprint(dead(ctx, &cli.Dead, parsed.Command, console{out: out, err: &told}))
}

func TestWhatCannotBeReplayedIsTold(t *testing.T) {
	w := newWorld(t)
	w.bury(unparseable("x"), letterOf(message(1, 1), events.ReasonForeignAccount))
	out := w.dead(process.Failed, "replay", "1")
	if !strings.Contains(out, "letter 1 cannot be replayed: it holds no event") || !strings.Contains(out, "1 letter could not be replayed") {
		t.Errorf("got %q, want why letter 1 stays", out)
	}
	if out := w.dead(process.OK, "replay", "--reason", "unparseable"); !strings.Contains(out, "1 letter kept") {
		t.Errorf("got %q, want it counted", out)
	}
	if out := w.dead(process.OK, "replay", "--reason", "foreign_account", "--json"); !strings.Contains(out, `"replayed_as":"replay:`) {
		t.Errorf("got %q, want it replayed when asked for by name", out)
	}
	if out := w.dead(process.Failed, "replay", "2"); !strings.Contains(out, "replayed or removed already") {
		t.Errorf("got %q, want that it is gone", out)
	}
}

// A command that names letters was interrupted: run again, it does those that are left, and tells of those that are not there.
func TestNamedLettersAreDoneWhereSomeAreGone(t *testing.T) {
	w := newWorld(t)
	for n := range 6 {
		w.bury(letterOf(message(n, 1), events.ReasonOverdue))
	}
	w.dead(process.OK, "replay", "1", "2")
	for _, step := range []struct{ args, done, missing string }{
		{"replay 1 2 3", "1 letter replayed", "there is no dead letter 1, 2: "},
		{"rm --yes " + strings.Join(numbers(7, 120), " "), "nothing was done", "there is no dead letter 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 and 104 more: "},
		{"replay 1 4 none --json", `"letter":4`, "there is no dead letter 1, none: "},
		{"rm --yes 4 5", "1 letter removed", "there is no dead letter 4: "},
		{"rm --yes 1 5", "nothing was done", "there is no dead letter 1, 5: "},
	} {
		out := w.dead(process.Failed, strings.Fields(step.args)...)
		if !strings.Contains(out, step.done) || !strings.Contains(out, step.missing) {
			t.Errorf("%s: got %q, want %q and %q", step.args, out, step.done, step.missing)
		}
	}
	if out := w.dead(process.OK, "ls", "--json"); len(lines(out)) != 1 || !strings.Contains(out, `"letter":6`) {
		t.Errorf("got %q left, want letter 6", out)
	}
}

// numbers returns those from first to last.
func numbers(first, last int) (all []string) {
	for n := first; n <= last; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// What comes while an operator is asked, or once there was found to be nothing, was not meant.
func TestWhatWasChosenStaysChosen(t *testing.T) {
	w := newWorld(t)
	for n := range 2 {
		choice := DeadChoice{DeadFilter: DeadFilter{Reason: []string{string(events.ReasonOverdue)}}}
		letters, err := choice.choose(t.Context(), w.ingest)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := letters.size(t.Context()); err != nil || got != n {
			t.Fatalf("size: got %d, %v, want %d", got, err, n)
		}
		w.bury(letterOf(message(1, n), events.ReasonOverdue))
		got := 0
		for _, err := range letters.letters(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != n {
			t.Errorf("after another came: got %d letters, want the %d that were chosen", got, n)
		}
	}
}

func TestRemovalIsConfirmed(t *testing.T) {
	w := newWorld(t)
	w.bury(letterOf(message(1, 1), events.ReasonOverdue), letterOf(message(2, 1), events.ReasonOverdue), letterOf(message(3, 1), events.ReasonRefused))
	if out := w.dead(process.Failed, "rm", "--all"); !strings.Contains(out, "give --yes") {
		t.Errorf("without a terminal: got %q, want to be asked for --yes", out)
	}
	for answer, want := range map[string]string{"n\n": "nothing was removed", "": "nothing was removed"} {
		var out syncBuffer
		err := w.deadAt(console{in: strings.NewReader(answer), out: &out, err: &out, asks: true}, "rm", "--reason", "overdue")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(out.String(), "Remove 2 letters for good?") {
			t.Errorf("%q: got %v and %q, want %s", answer, err, out.String(), want)
		}
	}
	var out syncBuffer
	if err := w.deadAt(console{in: strings.NewReader("yes\n"), out: &out, err: &out, asks: true}, "rm", "--reason", "overdue"); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "2 letters removed") {
		t.Errorf("got %q, want 2 removed", out.String())
	}
	if out := w.dead(process.OK, "rm", "3", "--yes", "--json"); out != "{\"id\":\"3-1\",\"letter\":3}\n" {
		t.Errorf("got %q, want letter 3", out)
	}
	if out := w.dead(process.OK, "ls"); out != "0 dead letters\n" {
		t.Errorf("got %q, want none left", out)
	}
}
