package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/rollcall-events/rollcall/internal/freeport"
)

// configOfNATS is where a process of this test learns that it is to be NATS, and how.
const configOfNATS = "ROLLCALL_TEST_NATS_CONFIG"

// serveNATS is NATS, until its standard input ends.
func serveNATS(config string) int {
	opts, err := natsserver.ProcessConfigFile(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := natsserver.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.ConfigureLogger()
	s.Start()
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	s.WaitForShutdown()
	return 0
}

// natsOf starts a NATS that has an administrator and, after the first deny, a user of that name, whose password and whose rights to publish deny changes. It
// is a process of its own: a server that reads its configuration again races with its own requests, which the race detector would hold against the test.
func natsOf(t *testing.T, user string) (address string, deny func(password string, publish ...string)) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "nats.conf")
	address = freeport.Address(t)
	write := func(users string) {
		text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q }\nauthorization { users: [ { user: admin, password: x }%s ] }\n", address, dir, users)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), configOfNATS+"="+config)
	var log syncBuffer
	c.Stderr = &log
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("the log of NATS:\n%s", &log)
		}
	})
	return address, func(password string, publish ...string) {
		write(fmt.Sprintf(", { user: %s, password: %s, permissions { publish { deny: [%s] } } }", user, password, commas(publish)))
		if err := c.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
}

func commas(subjects []string) string {
	var quoted []string
	for _, s := range subjects {
		quoted = append(quoted, strconv.Quote(s))
	}
	return strings.Join(quoted, ", ")
}
