package bench

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process takes of the machine, as Linux tells.
type usage struct {
	cpu      time.Duration // user and system, since its start
	resident int64         // bytes
	peak     int64         // bytes
}

// clockTick is Linux's unit of processor time for user space, on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

func (p *process) usage() (usage, error) {
	u, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return usage{}, fmt.Errorf("read what %s takes: %w", p.name, err)
	}
	return u, nil
}

func usageOf(pid int) (u usage, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			u.resident = kilobytes << 10
		case "VmHWM":
			u.peak = kilobytes << 10
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	_, rest, found := strings.Cut(string(stat), ") ") // what is before may hold anything
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return usage{}, errors.New("its stat has another form")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	u.cpu = time.Duration(user+system) * clockTick
	return u, errors.Join(err, err2)
}

// mebibytes is a number of bytes, for people.
func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// ownCPU is the processor time that this process has taken.
func ownCPU() (time.Duration, error) {
	u, err := usageOf(os.Getpid())
	return u.cpu, err
}
