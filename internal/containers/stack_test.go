package containers

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	dockercontainer "github.com/moby/moby/api/types/container"
	dockernetwork "github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	natscontainer "github.com/testcontainers/testcontainers-go/modules/nats"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/rollcall-events/rollcall/internal/freeport"
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
var natsUsers = []string{"INGEST", "ENRICHER", "PROVISIONER", "OPERATOR", "CONSUMER", "ADMIN"}

// stack is the whole of rollcall, each part in its container, with the configuration of NATS that compose uses. The
// parts reach each other on one network, back, and this machine reaches them through another, front: a
// part that is cut off from the others can still be asked how it is.
type stack struct {
	front, back *testcontainers.DockerNetwork
	nats        *natscontainer.NATSContainer
	ingest      testcontainers.Container
	enrichers   []testcontainers.Container
	twilio      fakeTwilio
	sender      sandbox.Sender
	cast        sandbox.Cast
}

func startStack(t *testing.T) *stack {
	t.Helper()
	return startStackOf(t, 1)
}

// startStackOf starts a stack with some enrichers. What is in settings is set in all of its containers.
func startStackOf(t *testing.T, enrichers int, settings ...string) *stack {
	t.Helper()
	needsImages(t)
	s := &stack{cast: sandbox.NewCast(sandbox.SID("AC", "containers"))}
	s.front, s.back = startNetwork(t), startNetwork(t, network.WithInternal())
	s.startNATS(t)
	s.startTwilio(t)
	common := environment(settings)
	s.provision(t, common)
	s.startIngest(t, common)
	for range enrichers {
		s.startEnricher(t, common)
	}
	return s
}

func (s *stack) startIngest(t *testing.T, common testcontainers.CustomizeRequestOption) {
	t.Helper()
	s.ingest = s.run(t, "ingest", []string{"8080/tcp", ingestOps}, ready(ingestOps), testcontainers.WithEnv(map[string]string{
		"NATS_URL": natsURL("ingest"), "TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account),
		"ROLLCALL_PUBLIC_URL": publicURL, "ROLLCALL_OPS_LISTEN": ":8081",
	}), common)
	s.sender = sandbox.Sender{
		Target: endpoint(t, s.ingest, "8080/tcp"), Public: publicURL, Key: validation.NewSecret(token), Client: client(t),
	}
}

func (s *stack) startEnricher(t *testing.T, common testcontainers.CustomizeRequestOption) {
	t.Helper()
	s.enrichers = append(s.enrichers, s.run(t, "enricher", []string{enricherOps}, ready(enricherOps), testcontainers.WithEnv(map[string]string{
		"NATS_URL": natsURL("enricher"), "TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account),
		"ROLLCALL_CONVERSATIONS_URL": "http://twilio:8090", "ROLLCALL_FLEX_URL": "http://twilio:8090",
		"ROLLCALL_OPS_LISTEN": ":8082",
	}), testcontainers.WithCmd("run", "--no-provision"), common))
}

// The ports where the parts tell an operator how they are.
const (
	ingestOps   = "8081/tcp"
	enricherOps = "8082/tcp"
)

// environment reads settings of the form NAME=value.
func environment(settings []string) testcontainers.CustomizeRequestOption {
	env := map[string]string{}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		env[name] = value
	}
	return testcontainers.WithEnv(env)
}

// natsURL is how a container on the network reaches NATS as user.
func natsURL(user string) string { return "nats://" + user + ":" + user + "@nats:4222" }

func startNetwork(t *testing.T, options ...network.NetworkCustomizer) *testcontainers.DockerNetwork {
	t.Helper()
	options = append(options, network.WithLabels(map[string]string{ownerLabel: thisRun().String()}))
	made, err := network.New(t.Context(), options...)
	if err != nil {
		t.Fatalf("make a network: %v", err)
	}
	t.Cleanup(func() {
		if err := made.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("remove a network: %v", err)
		}
	})
	return made
}

func (s *stack) startNATS(t *testing.T) {
	t.Helper()
	env := map[string]string{}
	for _, user := range natsUsers {
		env["ROLLCALL_NATS_"+user+"_PASSWORD"] = lower(user)
	}
	options := append(s.options(t, "nats", "4222/tcp", "6222/tcp", "8222/tcp"),
		testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(natsConfig(t)), ContainerFilePath: "/etc/nats/tested.conf", FileMode: 0o644,
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

// natsConfig is the configuration that compose uses, with one more user: the judge, who may read RAW.
func natsConfig(t *testing.T) string {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(root, "deploy", "nats", "nats-server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const users = "    users: [\n"
	before, after, found := strings.Cut(string(config), users)
	if !found {
		t.Fatal("the configuration of NATS has no list of users where one was")
	}
	return before + users + "      {user: judge, password: judge}\n" + after
}

func (s *stack) startTwilio(t *testing.T) {
	t.Helper()
	container := s.run(t, "twilio", []string{"8090/tcp"},
		wait.ForHTTP("/sandbox/healthy").WithPort("8090/tcp").WithStatusCodeMatcher(func(code int) bool { return code == 204 }),
		testcontainers.WithImage(image("sandbox")), testcontainers.WithCmd("twilio", "--listen", ":8090"),
		testcontainers.WithEnv(map[string]string{"TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": string(s.cast.Account)}))
	s.twilio = fakeTwilio{base: endpoint(t, container, "8090/tcp"), client: client(t)}
}

// provision declares the streams, as the identity that may.
func (s *stack) provision(t *testing.T, common testcontainers.CustomizeRequestOption) {
	t.Helper()
	s.run(t, "provision", nil, wait.ForExit(), testcontainers.WithImage(image("enricher")), testcontainers.WithCmd("provision"),
		testcontainers.WithEnv(map[string]string{"NATS_URL": natsURL("provisioner")}), common)
}

// run starts a container named name on the network, from its image unless options say
// otherwise, and removes it when the test ends.
func (s *stack) run(t *testing.T, name string, ports []string, until wait.Strategy, options ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	options = append(s.options(t, name, ports...), options...)
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

// options are what every container has: its name on the back network, our label, no more rights than
// compose gives it, and its ports on 127.0.0.1 alone, the same after a restart.
func (s *stack) options(t *testing.T, name string, ports ...string) []testcontainers.ContainerCustomizer {
	t.Helper()
	return []testcontainers.ContainerCustomizer{
		network.WithNetwork(nil, s.front),
		network.WithNetwork([]string{name}, s.back),
		testcontainers.WithLabels(map[string]string{ownerLabel: thisRun().String()}),
		testcontainers.WithExposedPorts(ports...),
		testcontainers.WithHostConfigModifier(func(host *dockercontainer.HostConfig) {
			host.CapDrop = []string{"ALL"}
			host.SecurityOpt = []string{"no-new-privileges"}
			host.PortBindings = dockernetwork.PortMap{}
			for _, port := range ports {
				host.PortBindings[dockernetwork.MustParsePort(port)] = []dockernetwork.PortBinding{
					{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(freeport.New(t))},
				}
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

// endpoint is the URL at which this machine reaches a container's port.
func endpoint(t *testing.T, c testcontainers.Container, port string) string {
	t.Helper()
	url, err := c.PortEndpoint(t.Context(), port, "http")
	if err != nil {
		t.Fatalf("find port %s: %v", port, err)
	}
	return url
}
