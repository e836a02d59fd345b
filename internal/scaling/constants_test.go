package scaling

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/broker"
)

// The model says again what the enricher keeps to itself, and says the same.
func TestConstantsAreTheEnrichers(t *testing.T) {
	model, enricher := constants(t, "."), constants(t, "../enrich")
	for _, name := range []string{"backoffFirst", "backoffMost", "throttleCut", "shelfMost"} {
		if got, want := model[name], enricher[name]; got == "" || got != want {
			t.Errorf("%s: got %q, want %q as in internal/enrich", name, got, want)
		}
	}
}

// constants returns the constants of a package's production code, as they are written.
func constants(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := fs.Glob(os.DirFS(folder), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	found, set := map[string]string{}, token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, folder+"/"+name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			var text bytes.Buffer
			if err := printer.Fprint(&text, set, spec.Values[0]); err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = text.String()
			return true
		})
	}
	return found
}

// What the page and the model take for the defaults of the streams is what the provisioner declares.
func TestDefaultsAreTheBrokers(t *testing.T) {
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "scaling"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	conn, err := server.Connect(t.Context(), broker.Config{Name: "provisioner"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.Provision(t.Context(), broker.Topology{}); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ROLLCALL_RAW", "ROLLCALL_ENRICHED"} {
		s := streamOf(t, js, name).CachedInfo().Config
		if s.Duplicates != window || s.MaxAge != kept {
			t.Errorf("%s: got a window of %s and an age of %s, want %s and %s as declared", s.Name, window, kept, s.Duplicates, s.MaxAge)
		}
	}
	partitions := 0
	for info := range streamOf(t, js, "ROLLCALL_QUEUE").ListConsumers(t.Context()).Info() {
		if partitions++; info.Config.MaxAckPending != maxAckPending {
			t.Errorf("got %d events of a partition at once, want %d as declared", maxAckPending, info.Config.MaxAckPending)
		}
	}
	if got := (Scenario{}).withDefaults().Enrich.Partitions; got != partitions {
		t.Errorf("got %d partitions, want %d as declared", got, partitions)
	}
}

func streamOf(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
