package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Machine is where and with what the figures were measured.
type Machine struct {
	Date       string `json:"date"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	System     string `json:"system"`
	Go         string `json:"go"`
	NATS       string `json:"nats"`
	Revision   string `json:"revision"`
	Filesystem string `json:"filesystem"` // of the streams
}

func (b *Bench) machine(ctx context.Context) Machine {
	nats := said(exec.CommandContext(ctx, filepath.Join(b.bin, natsProgram), "--version")) //nolint:gosec // what was built here
	revision := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
	revision.Dir = b.cfg.Source
	return Machine{
		Date: time.Now().UTC().Format(time.DateOnly), CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		System: runtime.GOOS + "/" + runtime.GOARCH + " " + kernel(contents("/proc/sys/kernel/osrelease")), Go: runtime.Version(),
		NATS: nats, Revision: said(revision), Filesystem: filesystem(b.dir),
	}
}

// kernel is a release without the name of its build.
func kernel(release string) string {
	version, _, _ := strings.Cut(release, "-")
	return version
}

// said is what a command writes, in one line; "unknown" when it cannot be asked.
func said(cmd *exec.Cmd) string {
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func contents(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// field is the first value of a name in a file of lines "name : value".
func field(file, name string) string {
	for line := range strings.Lines(contents(file)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// filesystem is the kind that dir is on: what sync_interval: always costs depends on it.
func filesystem(dir string) string {
	kind, longest := "unknown", -1
	for scanner := bufio.NewScanner(bytes.NewReader([]byte(contents("/proc/mounts")))); scanner.Scan(); {
		f := strings.Fields(scanner.Text())
		if len(f) < 3 {
			continue
		}
		if under := f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/"); under && len(f[1]) >= longest {
			kind, longest = f[2], len(f[1])
		}
	}
	return kind
}

// String is the machine in one paragraph.
func (m Machine) String() string {
	return fmt.Sprintf("%s, revision %s: %d cores (%s), %s, %s, %s, streams on %s",
		m.Date, m.Revision, m.Cores, m.CPU, m.System, m.Go, m.NATS, m.Filesystem)
}
