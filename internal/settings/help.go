package settings

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// printHelp prints kong's own help. Where no command is named it adds the flags of the default command:
// kong takes those flags then, but its own help does not show them.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	implied := ctx.Model.DefaultCmd
	if ctx.Selected() != nil || implied == nil {
		return nil
	}
	fmt.Fprintf(ctx.Stdout, "\nWithout a command, %q runs:\n\n", implied.Name)
	ctx.Path = append(ctx.Path, &kong.Path{Parent: ctx.Model.Node, Command: implied, Flags: implied.Flags})
	options.NoAppSummary = true
	return kong.DefaultHelpPrinter(options, ctx)
}

// helpText is what --help says of a flag: with its default and its environment variable, if it is a setting.
func helpText(v *kong.Value) string {
	switch {
	case v.Flag == nil || !isSetting(v.Flag):
		return v.Help
	case v.Default != "" && v.Flag.PlaceHolder != "": // else kong shows it in the placeholder's place
		return v.Help + " (" + v.Default + ") ($" + envName(v.Name) + ")"
	default:
		return v.Help + " ($" + envName(v.Name) + ")"
	}
}
