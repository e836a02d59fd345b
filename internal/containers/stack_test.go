package containers

import (
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	dockercontainer "github.com/moby/moby/api/types/container"
	dockernetwork "github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	natscontainer "github.com/testcontainers/testcontainers-go/modules/nats"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	// publicURL is what the ingest was told, and so what signatures cover.
	publicURL = "https://hooks.example.com"
	// token signs webhooks and calls the fake Twilio.
	token = "0123456789abcdef0123456789abcdef"
	// startTimeout bounds the start of one container on a busy machine.
	startTimeout = time.Minute
)

// natsUsers are the users of deploy/nats; here each one's password is its name.
var natsUsers = []string{"INGEST", "ENRICHER", "PROVISIONER", "OPERATOR", "CONSUMER"}

// stack is the whole of rollcall, each part in its container on a private network,
// with the configuration of NATS that compose uses.
type stack struct {
	network  *testcontainers.DockerNetwork
	nats     *natscontainer.NATSContainer
	ingest   testcontainers.Container
	enricher testcontainers.Container
	twilio   fakeTwilio
	sender   sandbox.Sender
	cast     sandbox.Cast
}

func startStack(t *testing.T) *stack {
	t.Helper()
	needsImages(t)
	s := &stack{cast: sandbox.NewCast(sandbox.SID("AC", "containers"))}
	s.startNetwork(t)
	s.startNATS(t)
	s.startTwilio(t)
	s.provision(t)
	s.ingest = s.run(t, "ingest", []string{"8080/tcp", "8081/tcp"}, ready("8081/tcp"), testcontainers.WithEnv(map[string]string{
		"NATS_URL": natsURL("ingest"), "TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account),
		"ROLLCALL_PUBLIC_URL": publicURL, "ROLLCALL_OPS_LISTEN": ":8081",
	}))
	s.enricher = s.run(t, "enricher", []string{"8082/tcp"}, ready("8082/tcp"), testcontainers.WithEnv(map[string]string{
		"NATS_URL": natsURL("enricher"), "TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account),
		"ROLLCALL_CONVERSATIONS_URL": "http://twilio:8090", "ROLLCALL_FLEX_URL": "http://twilio:8090",
		"ROLLCALL_OPS_LISTEN": ":8082",
	}), testcontainers.WithCmd("run", "--no-provision"))
	s.sender = sandbox.Sender{
		Target: endpoint(t, s.ingest, "8080/tcp", "http"), Public: publicURL, Key: validation.NewSecret(token), Client: client(t),
	}
	return s
}

// natsURL is how a container on the network reaches NATS as user.
func natsURL(user string) string { return "nats://" + user + ":" + user + "@nats:4222" }

func (s *stack) startNetwork(t *testing.T) {
	t.Helper()
	made, err := network.New(t.Context(), network.WithLabels(map[string]string{ownerLabel: thisRun().String()}))
	if err != nil {
		t.Fatalf("make the network: %v", err)
	}
	s.network = made
	t.Cleanup(func() {
		if err := made.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("remove the network: %v", err)
		}
	})
}

func (s *stack) startNATS(t *testing.T) {
	t.Helper()
	env := map[string]string{}
	for _, user := range natsUsers {
		env["ROLLCALL_NATS_"+user+"_PASSWORD"] = lower(user)
	}
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	options := append(s.options("nats", "4222/tcp", "6222/tcp", "8222/tcp"),
		testcontainers.WithFiles(testcontainers.ContainerFile{
			HostFilePath: filepath.Join(root, "deploy", "nats", "nats-server.conf"), ContainerFilePath: "/etc/nats/tested.conf", FileMode: 0o644,
		}),
		testcontainers.WithCmd("--config", "/etc/nats/tested.conf"),
		testcontainers.WithEnv(env),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout, wait.ForHTTP("/healthz").WithPort("8222/tcp")))
	server, err := natscontainer.Run(t.Context(), image("nats-server"), options...)
	if server != nil {
		ended(t, "nats", server)
	}
	if err != nil {
		t.Fatalf("start nats: %v", err)
	}
	s.nats = server
}

func (s *stack) startTwilio(t *testing.T) {
	t.Helper()
	container := s.run(t, "twilio", []string{"8090/tcp"},
		wait.ForHTTP("/sandbox/healthy").WithPort("8090/tcp").WithStatusCodeMatcher(func(code int) bool { return code == 204 }),
		testcontainers.WithImage(image("sandbox")), testcontainers.WithCmd("twilio", "--listen", ":8090"),
		testcontainers.WithEnv(map[string]string{"TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account)}))
	s.twilio = fakeTwilio{base: endpoint(t, container, "8090/tcp", "http"), client: client(t)}
}

// provision declares the streams, as the identity that may.
func (s *stack) provision(t *testing.T) {
	t.Helper()
	s.run(t, "provision", nil, wait.ForExit(), testcontainers.WithImage(image("enricher")), testcontainers.WithCmd("provision"),
		testcontainers.WithEnv(map[string]string{"NATS_URL": natsURL("provisioner")}))
}

// run starts a container named name on the network, from its image unless options say
// otherwise, and removes it when the test ends.
func (s *stack) run(t *testing.T, name string, ports []string, until wait.Strategy, options ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	options = append(s.options(name, ports...), options...)
	options = append(options, testcontainers.WithWaitStrategyAndDeadline(startTimeout, until))
	started, err := testcontainers.Run(t.Context(), image(name), options...)
	if started != nil {
		ended(t, name, started)
	}
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	return started
}

// options are what every container has: its name on the network, our label, no
// more rights than compose gives it, and its ports on 127.0.0.1 alone.
func (s *stack) options(name string, ports ...string) []testcontainers.ContainerCustomizer {
	return []testcontainers.ContainerCustomizer{
		network.WithNetwork([]string{name}, s.network),
		testcontainers.WithLabels(map[string]string{ownerLabel: thisRun().String()}),
		testcontainers.WithExposedPorts(ports...),
		testcontainers.WithHostConfigModifier(func(host *dockercontainer.HostConfig) {
			host.CapDrop = []string{"ALL"}
			host.SecurityOpt = []string{"no-new-privileges"}
			host.PortBindings = dockernetwork.PortMap{}
			for _, port := range ports {
				host.PortBindings[dockernetwork.MustParsePort(port)] = []dockernetwork.PortBinding{{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}
			}
		}),
	}
}

// ready waits until a part says that it is.
func ready(port string) wait.Strategy { return wait.ForHTTP("/readyz").WithPort(port) }

// ended removes the container when the test ends, after showing what it said if the test has failed.
func ended(t *testing.T, name string, c testcontainers.Container) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if t.Failed() {
			showLog(ctx, t, name, c)
		}
		if err := testcontainers.TerminateContainer(c, testcontainers.StopContext(ctx), testcontainers.StopTimeout(time.Second)); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	})
}

func showLog(ctx context.Context, t *testing.T, name string, c testcontainers.Container) {
	t.Helper()
	logs, err := c.Logs(ctx)
	if err != nil {
		t.Logf("the log of %s: %v", name, err)
		return
	}
	defer logs.Close()
	said, _ := io.ReadAll(logs) // what could be read is what there is to show
	t.Logf("the end of the log of %s:\n%s", name, tail(string(said), 4000))
}

// endpoint is where this machine reaches a container's port.
func endpoint(t *testing.T, c testcontainers.Container, port, scheme string) string {
	t.Helper()
	url, err := c.PortEndpoint(t.Context(), port, scheme)
	if err != nil {
		t.Fatalf("find port %s: %v", port, err)
	}
	return url
}
