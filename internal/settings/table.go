package settings

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Table returns the settings of cli as a Markdown table, group by group: what the README shows.
func (p Program) Table(cli any) (string, error) {
	k, err := p.parser(cli, new(Problems), func(int) {})
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("| Variable | Flag | Default | What it is |\n|---|---|---|---|\n")
	flags := allFlags(k.Model.Node)
	for _, group := range append(groups(), ungrouped(flags)...) {
		for _, flag := range flags {
			if isSetting(flag) && flag.Group.Key == group.Key {
				out.WriteString(row(flag))
			}
		}
	}
	return out.String(), nil
}

// ungrouped returns the groups that flags name and that are not among groups.
func ungrouped(flags []*kong.Flag) (more []kong.Group) {
	known := map[string]bool{}
	for _, group := range groups() {
		known[group.Key] = true
	}
	for _, flag := range flags {
		if isSetting(flag) && !known[flag.Group.Key] {
			known[flag.Group.Key] = true
			more = append(more, *flag.Group)
		}
	}
	return more
}

// allFlags returns every flag of node and of its commands, each name once.
func allFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	seen := map[string]bool{}
	_ = kong.Visit(node, func(v kong.Visitable, next kong.Next) error {
		if flag, ok := v.(*kong.Flag); ok && !seen[flag.Name] {
			seen[flag.Name] = true
			flags = append(flags, flag)
		}
		return next(nil)
	})
	return flags
}

func row(flag *kong.Flag) string {
	spelling, fallback := "`--"+flag.Name+"`", ""
	if isSecret(envName(flag.Name)) {
		spelling = "none: it is a secret"
	}
	if flag.Default != "" {
		fallback = "`" + flag.Default + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", envName(flag.Name), spelling, fallback, strings.ReplaceAll(flag.Help, "|", `\|`))
}
