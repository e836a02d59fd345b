package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/rollcall-events/rollcall"

// mayImport is, for every package, what its production code may import of ours. Tests import
// what they need.
var mayImport = map[string][]string{
	"validation":   {},
	"participants": {"internal/jsonappend", "validation"},
	"events":       {"internal/jsonappend", "validation", "participants"},

	"internal/jsonappend":  {"validation"},
	"internal/broker":      {"events"},
	"internal/credentials": {"participants", "validation"},
	"internal/enrich":      {"events", "participants", "validation"},
	"internal/ingest":      {"events", "validation"},
	"internal/telemetry":   {},
	"internal/settings":    {"internal/broker", "internal/credentials", "internal/telemetry", "participants", "validation"},
	"internal/sandbox":     {"events", "participants", "validation"},
	"internal/load":        {"events", "internal/sandbox", "validation"},
	"internal/scaling":     {}, // arithmetic alone
	"internal/bench":       {"events", "internal/load", "internal/sandbox", "participants", "validation"},
	"internal/bareecho":    {},

	"cmd/ingest":   {"cmd/internal/heapfloor", "cmd/internal/process", "cmd/internal/signals", "events", "internal/broker", "internal/credentials", "internal/ingest", "internal/settings", "internal/telemetry", "participants", "validation"},
	"cmd/enricher": {"cmd/internal/heapfloor", "cmd/internal/process", "cmd/internal/signals", "events", "internal/broker", "internal/credentials", "internal/enrich", "internal/settings", "internal/telemetry", "participants", "validation"},
	"cmd/sandbox": {"cmd/internal/signals", "events", "internal/broker", "internal/credentials", "internal/enrich", "internal/ingest", "internal/load", "internal/sandbox", "internal/settings",
		"internal/telemetry", "participants", "validation"},
	"cmd/bench":       {"cmd/internal/signals", "internal/bareecho", "internal/bench", "internal/settings"},
	"cmd/healthcheck": {},

	"cmd/internal/heapfloor": {},
	"cmd/internal/process":   {"internal/settings", "internal/telemetry"},
	"cmd/internal/signals":   {},

	"examples/consumer": {"events"}, // what a consumer can: the public packages

	"internal/chaos":      {}, // tests alone
	"internal/containers": {}, // tests alone
	"internal/freeport":   {}, // for tests alone
	"internal/house":      {}, // tests alone
	"internal/readme":     {}, // tests alone
}

// onlyIn is, for what others make, the packages whose production code knows it.
var onlyIn = map[string][]string{
	"github.com/labstack/echo":                                        {"internal/ingest", "internal/bareecho"}, // the latter is what the former is measured against
	"go.opentelemetry.io/contrib/instrumentation/github.com/labstack": {"internal/ingest"},
	"github.com/nats-io/nats-server":                                  {"internal/broker"},
	"github.com/testcontainers":                                       {},
	"github.com/Shopify/toxiproxy":                                    {},
	"github.com/rs/zerolog":                                           {},
	"testing":                                                         {"internal/freeport"}, // which has no place in production code's imports
}

// streamName matches what only internal/broker may say, and an example, which is a consumer outside the house.
var streamName = regexp.MustCompile(`\bROLLCALL_(RAW|QUEUE|ENRICHED|DEAD)\b`)

const streamOwner = "internal/broker"

func TestEveryPackageKeepsItsPlace(t *testing.T) {
	files, err := productionFiles(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems(files) {
		t.Error(problem)
	}
	packages := make(map[string]bool)
	for _, f := range files {
		packages[f.pkg] = true
	}
	for _, pkg := range slices.Sorted(maps.Keys(mayImport)) {
		if !packages[pkg] {
			t.Errorf("the table has %s, which is no package", pkg)
		}
	}
	if !slices.ContainsFunc(files, func(f file) bool { return f.pkg == streamOwner && f.namesStream() }) {
		t.Errorf("%s names no stream: this test looks for other names than it has", streamOwner)
	}
}

// file is one source file of production code.
type file struct {
	path, pkg string // both from the module's root
	ast       *ast.File
}

func productionFiles(root fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && ignored(root, name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file{name, path.Dir(name), parsed})
		return nil
	})
	return files, err
}

// ignored says what the go command leaves out of this module.
func ignored(root fs.FS, dir string) bool {
	base := path.Base(dir)
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

// problems is everything in files that breaks the rules, each with the file and the rule.
func problems(files []file) (all []string) {
	for _, f := range files {
		allowed, known := mayImport[f.pkg]
		if !known {
			all = append(all, fmt.Sprintf("%s: package %s has no place in the house: give it one in the table", f.path, f.pkg))
			continue
		}
		for _, imported := range f.imports() {
			if ours, is := strings.CutPrefix(imported, module+"/"); is && !within(f.pkg, ours) && !slices.Contains(allowed, ours) {
				all = append(all, fmt.Sprintf("%s: %s may not import %s", f.path, f.pkg, ours))
			}
			for foreign, owners := range onlyIn {
				if within(foreign, imported) && !slices.Contains(owners, f.pkg) {
					all = append(all, fmt.Sprintf("%s: %s may not import %s: only %q may", f.path, f.pkg, imported, owners))
				}
			}
		}
		if f.pkg != streamOwner && !within("examples", f.pkg) && f.namesStream() {
			all = append(all, fmt.Sprintf("%s: %s names a stream: only %s may", f.path, f.pkg, streamOwner))
		}
	}
	return all
}

// within reports whether name is parent or below it.
func within(parent, name string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

func (f file) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// namesStream looks at literals alone: what a comment says binds nobody.
func (f file) namesStream() bool {
	for node := range ast.Preorder(f.ast) {
		if literal, is := node.(*ast.BasicLit); is && literal.Kind == token.STRING && streamName.MatchString(literal.Value) {
			return true
		}
	}
	return false
}

// Each file breaks one rule, or none: the rules bite.
func TestTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		path, source string
		want         string // "" for nothing
	}{
		"down":                          {"events/a.go", `import "` + module + `/validation"`, ""},
		"up":                            {"validation/a.go", `import "` + module + `/events"`, "validation may not import events"},
		"sideways":                      {"internal/enrich/a.go", `import "` + module + `/internal/broker"`, "internal/enrich may not import internal/broker"},
		"under another name":            {"events/a.go", `import x "` + module + `/internal/broker"`, "events may not import internal/broker"},
		"for its effects":               {"events/a.go", `import _ "` + module + `/internal/broker"`, "events may not import internal/broker"},
		"the sandbox":                   {"cmd/ingest/a.go", `import "` + module + `/internal/sandbox"`, "cmd/ingest may not import internal/sandbox"},
		"the sandbox's own command":     {"cmd/sandbox/a.go", `import "` + module + `/internal/sandbox"`, ""},
		"below a package":               {"cmd/ingest/a.go", `import "` + module + `/internal/broker/x"`, "cmd/ingest may not import internal/broker/x"},
		"what is its own":               {"events/a.go", `import "` + module + `/events/schemas"`, ""},
		"a package without a place":     {"internal/util/a.go", ``, "package internal/util has no place"},
		"the root too":                  {"a.go", ``, "package . has no place"},
		"echo":                          {"cmd/ingest/a.go", `import "github.com/labstack/echo/v4"`, "cmd/ingest may not import github.com/labstack/echo/v4"},
		"echo where it belongs":         {"internal/ingest/a.go", `import "github.com/labstack/echo/v4"`, ""},
		"a name that only begins alike": {"cmd/ingest/a.go", `import "github.com/labstack/echoes"`, ""},
		"the NATS server":               {"internal/sandbox/a.go", `import "github.com/nats-io/nats-server/v2/server"`, "internal/sandbox may not import github.com/nats-io/nats-server"},
		"containers":                    {"internal/containers/a.go", `import "github.com/testcontainers/testcontainers-go"`, "may not import github.com/testcontainers"},
		"testing":                       {"internal/sandbox/a.go", `import "testing/synctest"`, "may not import testing/synctest"},
		"a stream":                      {"cmd/enricher/a.go", `const s = "from ROLLCALL_RAW on"`, "cmd/enricher names a stream"},
		"a stream in a comment":         {"cmd/enricher/a.go", `// ROLLCALL_RAW`, ""},
		"a setting":                     {"cmd/enricher/a.go", `const s = "ROLLCALL_RAW_AGE"`, ""},
		"a stream where it belongs":     {"internal/broker/a.go", "const s = `ROLLCALL_DEAD`", ""},
		"a stream in an example":        {"examples/consumer/a.go", `const s = "ROLLCALL_ENRICHED"`, ""},
		"a test":                        {"validation/a_test.go", `import "` + module + `/events"`, ""},
		"test data":                     {"validation/testdata/a.go", `import "` + module + `/events"`, ""},
		"another module":                {"tools/a.go", `import "` + module + `/events"`, ""},
		"a hidden directory":            {".ci/a.go", ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := productionFiles(fstest.MapFS{
				"go.mod":       {},
				"tools/go.mod": {},
				c.path:         {Data: []byte("package p\n" + c.source)},
			})
			if err != nil {
				t.Fatal(err)
			}
			got := problems(files)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
