package containers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// composeTimeout bounds one compose command, starting everything to healthy included.
const composeTimeout = 3 * time.Minute

// From nothing to healthy with no settings, an event through it as a newcomer would
// send it, and nothing left behind.
func TestComposeUpIsHealthyAndAnEventComesThrough(t *testing.T) {
	needsImages(t)
	t.Parallel()
	project := newCompose(t)
	services := []string{"nats", "ingest", "enricher", "sandbox-twilio"} // its sender would change the world meanwhile
	project.run(t, append([]string{"up", "--detach"}, services...)...)
	for _, service := range services {
		project.awaitHealthy(t, service)
	}

	cast := sandbox.NewCast(sandbox.SID("AC", "sandbox"))
	webhook := sandbox.ConversationsWebhook("onMessageAdded", cast.Values(time.Now()))
	sender := sandbox.Sender{
		Target: "http://" + project.port(t, "ingest", "8080"), Public: "http://localhost:8080",
		Key: validation.NewSecret(string(sandbox.SID("", "sandbox"))), Client: client(t),
	}
	if answer, err := sender.Send(t.Context(), webhook); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("the webhook: answered %d (%v), want 200", answer.Status, err)
	}
	observer := observe(t, "nats://"+project.port(t, "nats", "4222"))
	want := sandbox.Want{
		ID: webhook.IDs[0], Name: webhook.Name, Roster: events.RosterResolved,
		People: []participants.Participant{cast.Dana.Expected()},
	}
	for _, wrong := range observer.await(t.Context(), want) {
		t.Error(wrong)
	}

	project.run(t, "down", "--volumes")
	if left := project.left(t); left != "" {
		t.Errorf("after down --volumes there is still: %s", left)
	}
}

// settings are what a newcomer does not set.
const settings = `TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_API_KEY TWILIO_API_SECRET TWILIO_EDGE TWILIO_REGION
	ROLLCALL_PUBLIC_URL ROLLCALL_LOG_LEVEL ROLLCALL_NATS_INGEST_PASSWORD ROLLCALL_NATS_ENRICHER_PASSWORD
	ROLLCALL_NATS_PROVISIONER_PASSWORD ROLLCALL_NATS_OPERATOR_PASSWORD ROLLCALL_NATS_CONSUMER_PASSWORD ROLLCALL_NATS_ADMIN_PASSWORD
	ROLLCALL_PARTITIONS ROLLCALL_REPLICAS ROLLCALL_RAW_AGE ROLLCALL_ENRICHED_AGE ROLLCALL_DEAD_AGE ROLLCALL_DUPLICATE_WINDOW ROLLCALL_ACK_WAIT ROLLCALL_MAX_ACK_PENDING
	ROLLCALL_MAX_RATE ROLLCALL_MAX_ROSTER_AGE ROLLCALL_OUTBOX_MAX_BYTES ROLLCALL_CREDENTIALS_DIR`

// compose is one project of docker-compose.yml, apart from all others on this machine.
type compose struct {
	command []string // docker compose or docker-compose, with its global arguments
	env     []string
	project string
}

func newCompose(t *testing.T) *compose {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	c := &compose{
		project: fmt.Sprintf("rollcall-test-%d", os.Getpid()),
		env:     []string{"ROLLCALL_TAG=" + imageTag, "ROLLCALL_PORT=", "ROLLCALL_NATS_PORT=", "ROLLCALL_NATS_MONITOR_PORT="},
	}
	for setting := range strings.FieldsSeq(settings) {
		c.env = append(c.env, setting+"=") // none, whatever the environment or a file .env says
	}
	c.command = append(composeCommand(t), "--project-name", c.project, "--profile", "sandbox",
		"--file", filepath.Join(root, "docker-compose.yml"), "--file", ownedByUs(t))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), composeTimeout)
		defer cancel()
		if t.Failed() {
			said, err := c.try(ctx, "logs", "--no-color", "--tail", "40")
			t.Logf("the end of the logs (%v):\n%s", err, said)
		}
		if _, err := c.try(ctx, "down", "--volumes", "--timeout", "5"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return c
}

// composeCommand is whichever form of compose this machine has.
func composeCommand(t *testing.T) []string {
	t.Helper()
	if _, err := docker(t.Context(), "compose", "version"); err == nil {
		return []string{"docker", "compose"}
	}
	if _, err := command(t.Context(), nil, "docker-compose", "version"); err == nil {
		return []string{"docker-compose"}
	}
	if os.Getenv("ROLLCALL_REQUIRE_DOCKER") == "1" {
		t.Fatal("ROLLCALL_REQUIRE_DOCKER=1, but there is neither docker compose nor docker-compose")
	}
	t.Skipf("not tested, since there is neither docker compose nor docker-compose: %s", t.Name())
	return nil
}

// ownedByUs writes a file that puts our label on all that compose makes, for the sweep of
// a later run.
func ownedByUs(t *testing.T) string {
	t.Helper()
	label := fmt.Sprintf("labels: {%s: %q}", ownerLabel, thisRun())
	lines := []string{"services:"}
	for _, service := range []string{"nats", "provision", "ingest", "enricher", "sandbox-twilio", "sandbox-sender"} {
		lines = append(lines, "  "+service+": {"+label+"}")
	}
	lines = append(lines, "networks:", "  default: {"+label+"}", "volumes:", "  nats: {"+label+"}", "  outbox: {"+label+"}", "")
	path := filepath.Join(t.TempDir(), "owner.yml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// try runs a compose command.
func (c *compose) try(ctx context.Context, args ...string) (string, error) {
	return command(ctx, c.env, c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
}

func (c *compose) run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), composeTimeout)
	defer cancel()
	said, err := c.try(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// awaitHealthy waits until a service's health check says so.
func (c *compose) awaitHealthy(t *testing.T, service string) {
	t.Helper()
	container := c.run(t, "ps", "--quiet", service)
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		health, err := docker(t.Context(), "container", "inspect", "--format", "{{.State.Status}}, {{.State.Health.Status}}", container)
		if health == "running, healthy" {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s after %s: got %q (%v), want it running and healthy", service, startTimeout, health, err)
		}
	}
}

// port is where this machine reaches a service's port: on 127.0.0.1, or the test fails.
func (c *compose) port(t *testing.T, service, port string) string {
	t.Helper()
	address := c.run(t, "port", service, port)
	if !strings.HasPrefix(address, "127.0.0.1:") {
		t.Errorf("port %s of %s: published on %s, want 127.0.0.1 alone", port, service, address)
	}
	return address
}

// left is what is still there of the project.
func (c *compose) left(t *testing.T) string {
	t.Helper()
	var all []string
	for _, kind := range []string{"container ls --all", "network ls", "volume ls"} {
		args := append(strings.Fields(kind), "--quiet", "--filter", "label=com.docker.compose.project="+c.project)
		found, err := docker(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		if found != "" {
			all = append(all, kind+": "+strings.ReplaceAll(found, "\n", " "))
		}
	}
	return strings.Join(all, "; ")
}
