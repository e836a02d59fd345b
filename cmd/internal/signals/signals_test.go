package signals

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// child, when it is in the environment, is what makes this test binary a process that waits for signals.
const child = "ROLLCALL_TEST_OF_SIGNALS"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	ctx := Context(syscall.SIGHUP)
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("ending")
	_, _ = io.Copy(io.Discard, os.Stdin) // until it may
}

// told is a process that is told to end, and takes its time.
type told struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.Closer
	says *bufio.Scanner
}

func start(t *testing.T) *told {
	t.Helper()
	p := &told{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), child+"=1")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.says = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.wantSaid("ready")
	return p
}

func (p *told) wantSaid(want string) {
	p.t.Helper()
	if p.says.Scan(); p.says.Text() != want {
		p.t.Fatalf("got %q, want %q", p.says.Text(), want)
	}
}

func (p *told) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wantEnded waits for the end: by a signal, or 0 for a clean one.
func (p *told) wantEnded(by syscall.Signal) {
	p.t.Helper()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() != (by != 0) || by != 0 && status.Signal() != by {
		p.t.Errorf("got %v, want an end by %v (0: a clean one)", p.cmd.ProcessState, by)
	}
}

func TestTheSecondEndsTheProcess(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(first.String(), func(t *testing.T) {
			p := start(t)
			p.signal(first)
			p.wantSaid("ending")
			p.signal(syscall.SIGINT)
			p.wantEnded(syscall.SIGINT)
		})
	}
}

func TestWhatElseEndsDoesNotDisturbTheEnd(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP} {
		t.Run(first.String(), func(t *testing.T) {
			p := start(t)
			p.signal(first)
			p.wantSaid("ending")
			p.signal(syscall.SIGHUP)
			if err := p.in.Close(); err != nil {
				t.Fatal(err)
			}
			p.wantEnded(0)
		})
	}
}
