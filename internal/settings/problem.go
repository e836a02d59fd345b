package settings

import (
	"slices"
	"strings"
)

// Problem is one setting that is wrong: which, what is wrong with it, and what to do about it. It never
// carries the value of a secret.
type Problem struct {
	Setting string // the environment variable: "NATS_URL"; of a flag that has none the flag: "--count"
	Wrong   string // "is not given"
	Do      string // "set it to …"
}

func (p Problem) String() string {
	name := p.Setting
	if !isSecret(name) && !strings.HasPrefix(name, "--") {
		name += " (--" + flagName(name) + ")"
	}
	return name + " " + p.Wrong + ": " + p.Do
}

// Problems is everything that is wrong with the settings. It is an error; a nil or
// empty Problems must be returned as a nil error.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Add notes one more problem.
func (ps *Problems) Add(setting, wrong, do string) {
	*ps = append(*ps, Problem{Setting: setting, Wrong: wrong, Do: do})
}

// once returns ps without repetitions.
func (ps Problems) once() (kept Problems) {
	for _, p := range ps {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// notAbout returns those of ps whose setting has no problem among others.
func (ps Problems) notAbout(others Problems) (kept Problems) {
	for _, p := range ps {
		if !slices.ContainsFunc(others, func(s Problem) bool { return s.Setting == p.Setting }) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Err returns ps as an error, nil when there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}
