package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownerLabel is on everything that the tests make in the engine, and says whose it is.
const ownerLabel = "events.rollcall.test"

// orphanAge is how old something of another machine's must be to be nobody's: older than
// any run.
const orphanAge = time.Hour

// owner is the run that made something.
type owner struct {
	host  string
	pid   int
	since int64 // Unix time
}

func thisRun() owner {
	host, _ := os.Hostname() // an unnamed host is as good a name as any
	return owner{host: host, pid: os.Getpid(), since: time.Now().Unix()}
}

func (o owner) String() string { return fmt.Sprintf("%s/%d/%d", o.host, o.pid, o.since) }

// parseOwner reads what String wrote; what it cannot read has nobody to wait for.
func parseOwner(label string) owner {
	parts := strings.Split(label, "/")
	if len(parts) != 3 {
		return owner{}
	}
	pid, _ := strconv.Atoi(parts[1])
	since, _ := strconv.ParseInt(parts[2], 10, 64)
	return owner{host: parts[0], pid: pid, since: since}
}

// gone reports whether the run has ended: on this machine its process is no more, and
// on another one it has had its time.
func (o owner) gone(here owner) bool {
	if old := time.Since(time.Unix(o.since, 0)) > orphanAge; old || o.host != here.host {
		return old
	}
	return o.pid <= 0 || errors.Is(syscall.Kill(o.pid, 0), syscall.ESRCH)
}

// sweep removes what runs that have ended left in the engine: containers first, since
// they hold the networks and volumes.
func sweep(ctx context.Context) error {
	return removeOwned(ctx, func(o owner) bool { return o.gone(thisRun()) })
}

// removeOwned removes everything of ours whose owner is chosen.
func removeOwned(ctx context.Context, chosen func(owner) bool) error {
	kinds := []struct {
		id           string
		list, remove []string
	}{
		{"{{.ID}}", []string{"container", "ls", "--all"}, []string{"container", "rm", "--force", "--volumes"}},
		{"{{.ID}}", []string{"network", "ls"}, []string{"network", "rm"}},
		{"{{.Name}}", []string{"volume", "ls"}, []string{"volume", "rm", "--force"}},
	}
	var errs []error
	for _, kind := range kinds {
		format := kind.id + ` {{.Label "` + ownerLabel + `"}}`
		listed, err := docker(ctx, append(kind.list, "--filter", "label="+ownerLabel, "--format", format)...)
		errs = append(errs, err)
		for line := range strings.Lines(listed) {
			id, label, _ := strings.Cut(strings.TrimSpace(line), " ")
			if chosen(parseOwner(label)) {
				_, err := docker(ctx, append(kind.remove, id)...)
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func TestSweepRemovesWhatADeadRunLeft(t *testing.T) {
	needsDocker(t)
	dead := owner{host: thisRun().host, pid: 1 << 30, since: time.Now().Unix()}
	alive := thisRun()
	for name, o := range map[string]owner{"dead": dead, "alive": alive} {
		name = fmt.Sprintf("rollcall-sweep-%s-%d", name, os.Getpid())
		if _, err := docker(t.Context(), "volume", "create", "--label", ownerLabel+"="+o.String(), name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = docker(context.WithoutCancel(t.Context()), "volume", "rm", "--force", name) })
	}
	if err := sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := docker(t.Context(), "volume", "ls", "--quiet", "--filter", fmt.Sprintf("name=rollcall-sweep-.*-%d", os.Getpid()))
	if want := fmt.Sprintf("rollcall-sweep-alive-%d", os.Getpid()); err != nil || left != want {
		t.Errorf("volumes after the sweep: got %q (%v), want %q", left, err, want)
	}
}

func TestOwnerIsGone(t *testing.T) {
	here, now := thisRun(), time.Now().Unix()
	tests := []struct {
		name  string
		label string
		want  bool
	}{
		{"this run", here.String(), false},
		{"a dead process", owner{here.host, 1 << 30, now}.String(), true},
		{"another machine's, young", owner{"elsewhere", here.pid, now}.String(), false},
		{"another machine's, old", owner{"elsewhere", here.pid, now - 7200}.String(), true},
		{"our process id, but of long ago", owner{here.host, here.pid, now - 7200}.String(), true},
		{"not a label of ours", "yes", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseOwner(tt.label).gone(here); got != tt.want {
				t.Errorf("gone: got %v, want %v", got, tt.want)
			}
		})
	}
}
