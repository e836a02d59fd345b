package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// engine is the Docker engine that the tests use, or why there is none.
var engine dockerEngine

type dockerEngine struct{ err error }

// find looks for an engine and prepares testcontainers for it. It asks the docker command, so that
// contexts and DOCKER_HOST are followed. What is set from outside is left as it is.
func (e *dockerEngine) find(ctx context.Context) error {
	if _, err := docker(ctx, "version", "--format", "{{.Server.APIVersion}}"); err != nil {
		return err
	}
	host, err := docker(ctx, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
	if err != nil {
		return err
	}
	if fromOutside := os.Getenv("DOCKER_HOST"); fromOutside != "" {
		host = fromOutside
	}
	return errors.Join(
		preset("DOCKER_HOST", host),
		// On a local engine published ports are on this machine. Left to itself, testcontainers takes a
		// machine with /.dockerenv for a container and goes through the default gateway.
		presetIf(strings.HasPrefix(host, "unix://"), "TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1"),
		// Its reaper is an image from a registry; where that is not present we clean up ourselves.
		presetIf(!present(ctx, reaperImage), "TESTCONTAINERS_RYUK_DISABLED", "true"),
	)
}

// reaperImage is the one that testcontainers starts.
var reaperImage = testcontainers.ReaperDefaultImage //nolint:staticcheck // deprecated, but nothing else says which one

func preset(name, value string) error { return presetIf(true, name, value) }

func presetIf(wanted bool, name, value string) error {
	if _, set := os.LookupEnv(name); set || !wanted {
		return nil
	}
	return os.Setenv(name, value)
}

// present reports whether the engine has the image already.
func present(ctx context.Context, image string) bool {
	_, err := docker(ctx, "image", "inspect", image)
	return err == nil
}

// needsDocker skips the test where there is no engine, or fails it when one is required.
func needsDocker(t *testing.T) {
	t.Helper()
	if engine.err == nil {
		return
	}
	if os.Getenv("ROLLCALL_REQUIRE_DOCKER") == "1" {
		t.Fatalf("ROLLCALL_REQUIRE_DOCKER=1, but there is no Docker engine: %v", engine.err)
	}
	t.Skipf("not tested, since no Docker engine answers: %s", t.Name())
}

// docker runs the docker command and returns what it printed, without white space around it.
func docker(ctx context.Context, args ...string) (string, error) {
	return command(ctx, nil, "docker", args...)
}

// command runs a program, with env added to ours; its error holds what the program said last.
func command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(stderr.String(), 2000))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// tail is the end of s, of n bytes at most.
func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-n):]
}
