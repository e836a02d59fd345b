package settings

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/validation"
)

// checkSecret notes the flaw of secret, if it has one. The zero Secret has none.
func checkSecret(ps *Problems, setting string, secret validation.Secret) {
	if flaw := credentials.Flaw(secret); flaw != "" {
		ps.Add(setting, flaw, "give the secret alone (an env file of docker, for one, keeps quotes as part of the value)")
	}
}

// cause is why a file could not be read, without its path, which the problem's setting already tells.
func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return "it cannot be opened"
}

// load returns the secret of a setting: given, which came from the environment, or what the file at path holds, if one is named by setting_FILE. Surrounding
// white space is not part of a secret: an editor puts it there.
func load(setting, path string, given validation.Secret) (validation.Secret, Problems) {
	if path == "" {
		return given, nil
	}
	var ps Problems
	content, err := os.ReadFile(path)
	if err != nil {
		ps.Add(setting+"_FILE", "names a file that cannot be read ("+cause(err)+")", "correct the path or the file's permissions")
		return given, ps
	}
	held := validation.NewSecret(strings.TrimSpace(string(content)))
	switch flaw := credentials.Flaw(held); {
	case held.IsZero():
		ps.Add(setting+"_FILE", "names an empty file", "write the secret into it")
	case flaw != "":
		ps.Add(setting+"_FILE", "names a file whose secret "+flaw, "write the secret alone into it")
	case given.IsZero() || given == held:
		return held, nil
	default:
		ps.Add(setting+"_FILE", "holds another value than "+setting, "give one of the two")
	}
	return given, ps
}
