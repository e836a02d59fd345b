// Package readme holds README.md to the code: the settings tables that it shows, and, in its
// tests, the commands and the program that it tells a consumer to run.
package readme

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const settingsEnd = "<!-- /settings -->"

// ErrStale is what CompareSettings returns when the document shows another table than the settings make.
var ErrStale = errors.New("another table than the settings make")

// CompareSettings holds what the document at path shows between the lines "<!-- settings:<name> -->" and
// "<!-- /settings -->" to table. With update it writes table there instead.
func CompareSettings(path, name, table string, update bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	start := "<!-- settings:" + name + " -->\n"
	before, rest, began := strings.Cut(string(text), start)
	held, after, ended := strings.Cut(rest, settingsEnd)
	table = "\n" + strings.TrimSpace(table) + "\n\n"
	switch {
	case !began || !ended:
		return fmt.Errorf("%s: no lines <!-- settings:%s --> and <!-- /settings -->", path, name)
	case update:
		return os.WriteFile(path, []byte(before+start+table+settingsEnd+after), 0o644) //nolint:gosec // a document that everybody may read
	case held != table:
		return fmt.Errorf("%s: settings of %s: %w", path, name, ErrStale)
	}
	return nil
}
