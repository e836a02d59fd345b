package participants

import (
	"runtime/debug"
	"strings"
)

const module = "github.com/rollcall-events/rollcall"

// userAgent names this module and, when the build says so, its version.
func userAgent() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "rollcall"
	}
	version := "devel"
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && strings.HasPrefix(m.Version, "v") {
			version = m.Version
		}
	}
	return "rollcall/" + version
}
