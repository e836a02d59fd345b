package settings

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/rollcall-events/rollcall/validation"
)

// quotes are in no secret of Twilio's. Shells take them off, but "docker run --env-file" and most other readers of such files do not.
const quotes = "\"'`"

// checkSecret refuses what a slip of the hand makes of secret, with which each webhook would be
// answered 403, and each call 401. The zero Secret has no problem.
func checkSecret(ps *Problems, setting string, secret validation.Secret) {
	switch value := secret.Reveal(); {
	case strings.ContainsFunc(value, unicode.IsSpace):
		ps.Add(setting, "has white space in it", "give the secret alone, without spaces and line ends")
	case strings.ContainsAny(value, quotes):
		ps.Add(setting, "has quotes in it", "give the secret without them: an env file of docker, say, keeps them as part of the value")
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

// fromFile puts the content of the file that setting_FILE names into secret, unless there is none. Surrounding
// white space is not part of a secret: an editor puts it there.
func fromFile(ps *Problems, setting, path string, secret *validation.Secret) {
	if path == "" {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		ps.Add(setting+"_FILE", "names a file that cannot be read ("+cause(err)+")", "correct the path or the file's permissions")
		return
	}
	switch held := validation.NewSecret(strings.TrimSpace(string(content))); {
	case held.IsZero():
		ps.Add(setting+"_FILE", "names an empty file", "write the secret into it")
	case strings.ContainsFunc(held.Reveal(), unicode.IsSpace):
		ps.Add(setting+"_FILE", "names a file that holds more than one word", "write the secret alone into it")
	case strings.ContainsAny(held.Reveal(), quotes):
		ps.Add(setting+"_FILE", "names a file with quotes in it", "write the secret into it without them")
	case secret.IsZero() || *secret == held:
		*secret = held
	default:
		ps.Add(setting+"_FILE", "holds another value than "+setting, "give one of the two")
	}
}
