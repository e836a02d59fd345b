package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"github.com/alecthomas/kong"

	"github.com/rollcall-events/rollcall/validation"
)

// ErrAnswered is what Parse returns when the user asked for --help or --version and has
// been answered: nothing is left to do, and nothing is wrong.
var ErrAnswered = errors.New("answered")

// Program is a command as its user sees it.
type Program struct {
	Name           string
	Description    string            // what it is for, and examples; kept as it is written
	Vars           map[string]string // for ${…} in the tags: what differs between the commands
	Getenv         func(string) string
	Stdout, Stderr io.Writer
}

// Checker is a group of settings, or a whole command, that knows what is wrong with it. Check may read
// files that the settings name, but changes nothing and opens no connection.
type Checker interface {
	Check() Problems
}

// Parsed is what the user asked for.
type Parsed struct {
	Command string // the chosen command's path, with its arguments' names: "run", "dead show <letter>"; "" where there are no commands
	flags   []*kong.Flag
}

// Parse fills cli, a pointer to a struct with kong's tags, from args and from the environment, and checks every
// group that the chosen command uses. Its error is ErrAnswered, Problems (all of
// them), or a mistake in args.
func (p Program) Parse(cli any, args []string) (Parsed, error) {
	var problems Problems
	answered := false
	k, err := p.parser(cli, &problems, func(int) { answered = true })
	if err != nil {
		return Parsed{}, err
	}
	ctx, err := k.Parse(args)
	if answered {
		return Parsed{}, ErrAnswered
	}
	if err != nil {
		return Parsed{}, fmt.Errorf("%w\nRun %q for what can be given", err, p.Name+" --help")
	}
	var checked Problems
	for _, step := range ctx.Path {
		if node := step.Node(); node != nil && step.Flag == nil {
			checked = append(checked, check(node.Target)...)
		}
	}
	// Of a setting that could not be read there is nothing more to say: it was not checked.
	problems = append(problems, checked.notAbout(problems)...).once()
	return Parsed{Command: ctx.Command(), flags: ctx.Flags()}, problems.Err()
}

func (p Program) parser(cli any, problems *Problems, exit func(int)) (*kong.Kong, error) {
	options := append(mappers(problems),
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.ConfigureHelp(kong.HelpOptions{NoAppDescFormat: true, WrapUpperBound: 110, FlagsLast: true}),
		kong.Vars(p.Vars),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(exit),
		kong.ExplicitGroups(groups()),
		kong.Resolvers(environment(p.Getenv)),
		kong.ValueFormatter(helpText),
		kong.Help(printHelp),
	)
	return kong.New(cli, options...)
}

// environment resolves a flag that is not on the command line. An empty variable counts as not set.
func environment(getenv func(string) string) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if !isSetting(flag) {
			return nil, nil
		}
		value := getenv(envName(flag.Name))
		switch {
		case value == "":
			return nil, nil
		case flag.Target.Type() == reflect.TypeFor[validation.Secret]():
			return validation.NewSecret(value), nil
		default:
			return value, nil
		}
	}
}

// isSetting tells settings, which belong to a group, from the flags that are
// questions or requests, such as --help and --check.
func isSetting(flag *kong.Flag) bool { return flag.Group != nil }

// check asks target, a struct, and every group in it what is wrong. It does not enter the structs
// of commands: the chosen one is asked by itself. A struct that embeds a group may have the
// group's Check promoted to it; the problems that come twice are removed by the caller.
func check(target reflect.Value) (ps Problems) {
	if group, ok := target.Addr().Interface().(Checker); ok {
		ps = group.Check()
	}
	for i := range target.NumField() {
		field, kind := target.Field(i), target.Type().Field(i)
		if _, isCommand := kind.Tag.Lookup("cmd"); !isCommand && field.Kind() == reflect.Struct && kind.IsExported() {
			ps = append(ps, check(field)...)
		}
	}
	return ps
}

// LogValue implements slog.LogValuer: every setting in force, by its environment variable, for one
// line at start. Secrets are redacted, and URLs come without userinfo.
func (p Parsed) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, flag := range p.flags {
		if isSetting(flag) && !flag.Target.IsZero() {
			attrs = append(attrs, slog.String(envName(flag.Name), display(flag.Target.Interface())))
		}
	}
	return slog.GroupValue(attrs...)
}
