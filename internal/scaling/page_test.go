package scaling

import (
	"flag"
	"os"
	"strings"
	"testing"
)

const page = "../../docs/SCALING.md"

var update = flag.Bool("update", false, "write the tables into "+page)

// The page's tables are those that the code makes.
func TestThePageShowsTheTables(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text)
	for name, table := range tables() {
		before, held, after := block(t, shown, "<!-- scaling:"+name+" -->\n", "<!-- /scaling -->")
		table = "\n" + table + "\n"
		if held != table && !*update {
			t.Errorf("%s: table %s: got\n%s\nwant\n%s\nRun go test ./internal/scaling -run Page -update, then see that the text around it is still true.", page, name, held, table)
		}
		shown = before + table + after
	}
	if *update && shown != string(text) {
		if err := os.WriteFile(page, []byte(shown), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// block returns what is up to and with a line, from there to another, and from that on.
func block(t *testing.T, text, start, end string) (before, held, after string) {
	t.Helper()
	before, rest, began := strings.Cut(text, start)
	held, after, ended := strings.Cut(rest, end)
	if !began || !ended {
		t.Fatalf("%s: no lines %q and %q", page, start, end)
	}
	return before + start, held, end + after
}
