package readme

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever copies an alert from the documents must not wait for a metric that nobody exports.
func TestMetricsOfTheDocumentsExist(t *testing.T) {
	exported := map[string]bool{}
	quoted := regexp.MustCompile(`"(rollcall_[a-z_]+)"`)
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, name := range quoted.FindAllSubmatch(source, -1) {
				exported[string(name[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	for _, document := range []string{"README.md", "CHANGELOG.md", "deploy/README.md", "docs/RUNBOOK.md", "docs/RELIABILITY.md", "docs/ARCHITECTURE.md"} {
		for _, name := range regexp.MustCompile(`rollcall_[a-z_]+`).FindAllString(read(t, document), -1) {
			told++
			if !exported[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s: got %s, which no code exports", document, name)
			}
		}
	}
	if told == 0 {
		t.Error("got no metric in any document, want those of the alerts")
	}
}
