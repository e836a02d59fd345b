package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// twilioPatience is how long Twilio waits for an answer.
const twilioPatience = 5 * time.Second

// Config is how a Service behaves. The zero value of a field means its default.
type Config struct {
	PublicURLs     []string      // the base URLs that Twilio was told; at least one
	MaxBody        int64         // bytes; default 1 MiB
	BodyTimeout    time.Duration // from a webhook's arrival until its body is there and can be read; default 3 s
	StoreTimeout   time.Duration // from then until it is stored or given up, which is 4.5 s after its arrival at the latest, or this time after it if that is later; default 4 s: Twilio waits 5 s
	StopTimeout    time.Duration // for requests under way when stopping; default 10 s
	MaxConnections int           // open at once, the others wait to be accepted; default 1024
}

// The defaults of Config.
const (
	DefaultMaxBody        = 1 << 20
	DefaultBodyTimeout    = 3 * time.Second
	DefaultStoreTimeout   = 4 * time.Second
	DefaultStopTimeout    = 10 * time.Second
	DefaultMaxConnections = 1024
)

func (c Config) withDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, DefaultBodyTimeout)
	c.StoreTimeout = cmp.Or(c.StoreTimeout, DefaultStoreTimeout)
	c.StopTimeout = cmp.Or(c.StopTimeout, DefaultStopTimeout)
	c.MaxConnections = cmp.Or(c.MaxConnections, DefaultMaxConnections)
	return c
}

// Problem is one field of a Config that is wrong.
type Problem struct {
	Field string // the Config's field: "MaxBody"
	Wrong string
	Do    string // what to do about it
}

func (p Problem) String() string { return p.Field + " " + p.Wrong + ": " + p.Do }

// Problems returns everything that is wrong with c, in which nothing is left to its default.
func (c Config) Problems() []Problem {
	var ps []Problem
	note := func(bad bool, field, wrong, do string) {
		if bad {
			ps = append(ps, Problem{field, wrong, do})
		}
	}
	_, err := validation.NewVerifier(c.PublicURLs)
	switch {
	case len(c.PublicURLs) == 0:
		note(true, "PublicURLs", "is not given", "give the URL that Twilio posts to, without the route: https://hooks.example.com")
	case err != nil:
		note(true, "PublicURLs", fmt.Sprintf("is wrong (%s)", strings.ReplaceAll(err.Error(), "\n", "; ")), "give base URLs such as https://hooks.example.com, without the route")
	}
	for _, rt := range routes() {
		note(slices.ContainsFunc(c.PublicURLs, rt.ends), "PublicURLs", "ends in the route "+rt.path, "give what comes before it: rollcall adds the route itself, and a webhook signed for this URL would be refused")
	}
	note(c.MaxBody < 1<<10 || c.MaxBody > 64<<20, "MaxBody", "is out of range", "give 1KiB to 64MiB")
	note(c.BodyTimeout <= 0, "BodyTimeout", "is not positive", "give a time such as 3s")
	note(c.BodyTimeout >= c.StoreTimeout, "BodyTimeout", "leaves no time to store", "give less than the store timeout")
	note(c.StoreTimeout <= 0 || c.StoreTimeout >= twilioPatience, "StoreTimeout", "is out of range", "give more than 0s and less than the 5s that Twilio waits")
	note(c.StopTimeout <= 0, "StopTimeout", "is not positive", "give a time such as 10s")
	note(c.MaxConnections < 1, "MaxConnections", "is not positive", "give a number such as 1024")
	return ps
}

func (c Config) validate() error {
	var errs []error
	for _, p := range c.Problems() {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}
