package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// How long a process may take to be there, and to stop when it is told to.
const (
	startPatience = 30 * time.Second
	stopPatience  = 15 * time.Second
)

// process is a program that was started here.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string // what it says goes there
	done  chan struct{}
	ended error
	stop  func() // idempotent; returns when it has ended
}

// start starts a program with env for its whole environment.
func (b *Bench) start(name, program string, args []string, env ...string) (*process, error) {
	b.started++
	log := filepath.Join(b.dir, fmt.Sprintf("%03d-%s.log", b.started, name))
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the process has its own
	p := &process{name: name, log: log, done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(b.bin, program), args...) //nolint:gosec,noctx // what was built here; it is stopped by stop, on which more depends than a context can say
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env, p.cmd.SysProcAttr = out, out, env, ownProcess()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.ended = p.cmd.Wait()
		close(p.done)
	}()
	p.stop = sync.OnceFunc(p.end)
	b.processes = append(b.processes, p)
	return p, nil
}

// end asks the process to stop, and makes it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended already needs none
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// ready waits until probe succeeds.
func (p *process) ready(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.done:
			return fmt.Errorf("%s ended at its start (%w): %s", p.name, errors.Join(p.ended, err), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %s", p.name, err, p.tail())
		}
	}
}

// tail is the end of what the process has said.
func (p *process) tail() string {
	const most = 2000
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// answers returns a probe: something at url answers with 2xx.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s answers %d", url, resp.StatusCode)
		}
		return nil
	}
}

// listens returns a probe: something takes connections at address.
func listens(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// freeAddress returns an address on loopback that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
