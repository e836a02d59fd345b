package readme

import (
	"regexp"
	"strings"
	"testing"
)

// A counter never falls while the process runs: an alert on its value would not end before a restart.
func TestAlertsOnCountersLookAtTheirGrowth(t *testing.T) {
	_, alerts, _ := strings.Cut(read(t, "docs/RUNBOOK.md"), "\n## Alerts\n")
	alerts, _, _ = strings.Cut(alerts, "\n## ")
	counter := regexp.MustCompile(`([a-z_]*\(?)(rollcall_[a-z_]+_total)`)
	seen := 0
	for line := range strings.Lines(alerts) {
		expression, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		expression, _, _ = strings.Cut(expression, "`")
		for _, found := range counter.FindAllStringSubmatch(expression, -1) {
			seen++
			if found[1] != "increase(" && found[1] != "rate(" {
				t.Errorf("got %s in the alert %s, want its increase or rate", found[2], expression)
			}
		}
	}
	if seen == 0 {
		t.Error("got no counter in any alert, want some")
	}
}
