package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// natsServer is a NATS server in a process of its own: this test binary, which TestMain makes one.
type natsServer struct {
	t       testing.TB
	name    string
	clients string // host:port
	monitor string // host:port
	dir     string // of its store, its configuration and its log; outlives the process
	asks    *http.Client

	mu      sync.Mutex
	running *process // nil while there is none
}

// process is one that runs, or has been told to end.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer     // which it ends with
	told  bool          // to end
	ended chan struct{} // closed then
}

// serverConfig is the variable that names a configuration: whoever finds it set is a NATS server.
const serverConfig = "ROLLCALL_CHAOS_NATS_CONFIG"

// serve is the process of a server. It ends with whoever started it, however that ended.
func serve(config string) (code int) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other end is closed, if by the system
		os.Exit(1)
	}()
	opts, err := server.ProcessConfigFile(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	opts.Logtime = true
	s, err := server.NewServer(opts) // which stops on SIGTERM
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return 0
}

func (s *natsServer) store() string  { return filepath.Join(s.dir, "store") }
func (s *natsServer) config() string { return filepath.Join(s.dir, "nats.conf") }
func (s *natsServer) log() string    { return filepath.Join(s.dir, "log") }

// configure writes its configuration: the default sync, and a cluster with peers if there is more than one.
func (s *natsServer) configure(peer string, peers []string) {
	s.t.Helper()
	text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\nmax_payload: 8MB\njetstream: {store_dir: %q}\n", s.name, s.clients, s.monitor, s.store())
	if len(peers) > 1 {
		// Clients must not learn of ways around the links that they are cut off by.
		text += fmt.Sprintf("cluster: {name: chaos, listen: %q, no_advertise: true, routes: [\"nats://%s\"]}\n", peer, strings.Join(peers, `", "nats://`))
	}
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *natsServer) start() {
	s.t.Helper()
	p, err := s.run()
	if err != nil {
		s.t.Errorf("start NATS server %s: %v", s.name, err)
		return
	}
	s.mu.Lock()
	s.running = p
	s.mu.Unlock()
	go func() {
		defer close(p.ended)
		err := p.cmd.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if !p.told {
			s.t.Errorf("NATS server %s ended by itself: %v", s.name, err)
		}
	}()
}

func (s *natsServer) run() (*process, error) {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverConfig+"="+s.config())
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}, nil
}

// kill ends the process by SIGKILL: it does nothing more.
func (s *natsServer) kill() { s.end(os.Kill) }

// stop ends it as SIGTERM does: it hands over what it leads, and writes what it holds.
func (s *natsServer) stop() { s.end(syscall.SIGTERM) }

func (s *natsServer) end(by os.Signal) {
	s.mu.Lock()
	p := s.running
	s.running = nil
	if p != nil {
		p.told = true
	}
	s.mu.Unlock()
	if p == nil {
		return
	}
	if err := p.cmd.Process.Signal(by); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("%v NATS server %s: %v", by, s.name, err)
		_ = p.stdin.Close()
	}
	<-p.ended
}

func (s *natsServer) isRunning() bool { return s.pid() != 0 }

// pid returns that of its process; 0 while there is none.
func (s *natsServer) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return 0
	}
	return s.running.cmd.Process.Pid
}

func (s *natsServer) isHealthy() bool { return s.isRunning() && s.ask("/healthz", nil) == nil }

// led is what servers of a cluster elect a leader of: the cluster itself if empty, a stream, or one of a stream's consumers.
type led struct{ stream, consumer string }

func (l led) String() string {
	switch {
	case l.consumer != "":
		return "consumer " + l.consumer
	case l.stream != "":
		return l.stream
	default:
		return "the cluster"
	}
}

// leads reports whether the server says that it leads what. One that has lost the lead unknowingly says so too, for a while.
func (s *natsServer) leads(what led) bool {
	var info server.JSInfo
	if !s.isRunning() || s.ask("/jsz?streams=true&consumers=true", &info) != nil {
		return false
	}
	if what == (led{}) {
		return info.Meta != nil && info.Meta.Leader == s.name
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Name == what.stream && what.isLedBy(s.name, stream) {
				return true
			}
		}
	}
	return false
}

func (l led) isLedBy(name string, stream server.StreamDetail) bool {
	if l.consumer == "" {
		return stream.Cluster != nil && stream.Cluster.Leader == name
	}
	for _, c := range stream.Consumer {
		if c.Name == l.consumer {
			return c.Cluster != nil && c.Cluster.Leader == name
		}
	}
	return false
}

// ask reads what the server's monitor says at path into answer, if it is not nil.
func (s *natsServer) ask(path string, answer any) error {
	r, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), http.MethodGet, "http://"+s.monitor+path, nil)
	if err != nil {
		return err
	}
	said, err := s.asks.Do(r)
	if err != nil {
		return err
	}
	defer said.Body.Close()
	if said.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s: %s", path, s.name, said.Status)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, said.Body)
		return err
	}
	return json.NewDecoder(said.Body).Decode(answer)
}

// showLog tells what the server logged last, if the test has failed.
func (s *natsServer) showLog() {
	if !s.t.Failed() {
		return
	}
	said, err := os.ReadFile(s.log())
	s.t.Logf("the end of the log of NATS server %s (%v):\n%s", s.name, err, said[max(0, len(said)-shownLog):])
}

// shownLog is how much of a server's log a test that fails shows, in bytes.
const shownLog = 16 << 10
