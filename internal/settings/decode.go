package settings

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rollcall-events/rollcall/validation"
)

// Bytes is a number of bytes, written with or without a unit: 512, 64KiB, 1MiB, 2GiB.
type Bytes int64

// units are those of Bytes, the largest first.
var units = []struct {
	size Bytes
	name string
}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}}

func (b Bytes) String() string {
	for _, unit := range units {
		if b >= unit.size && b%unit.size == 0 {
			return strconv.FormatInt(int64(b/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseBytes(text string) (Bytes, error) {
	factor := Bytes(1)
	for _, unit := range units {
		if rest, ok := strings.CutSuffix(text, unit.name); ok {
			text, factor = strings.TrimSpace(rest), unit.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || Bytes(n) > math.MaxInt64/factor {
		return 0, errors.New("not a number of bytes")
	}
	return Bytes(n) * factor, nil
}

// mappers returns the decoders of every type of setting but text. They note what they cannot read in ps
// and carry on, because kong stops at the first error and a user wants to hear of all.
func mappers(ps *Problems) []kong.Option {
	return []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), decode(ps, time.ParseDuration, "is not a duration", "give it with its unit, such as 500ms, 3s or 15m")),
		kong.TypeMapper(reflect.TypeFor[Bytes](), decode(ps, parseBytes, "is not a number of bytes", "give it with its unit, such as 64KiB, 1MiB or 2GiB")),
		kong.TypeMapper(reflect.TypeFor[int](), decode(ps, strconv.Atoi, "is not a whole number", "give it in digits, such as 64")),
		kong.TypeMapper(reflect.TypeFor[float64](), decode(ps, parseFloat, "is not a number", "give it in digits, such as 12.5")),
		kong.KindMapper(reflect.Bool, switchMapper{decode(ps, parseSwitch, "is neither true nor false", "give true or false")}),
		kong.TypeMapper(reflect.TypeFor[validation.Secret](), secretMapper(ps)),
	}
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	default:
		return strconv.ParseBool(text)
	}
}

func parseFloat(text string) (float64, error) { return strconv.ParseFloat(text, 64) }

func decode[T any](ps *Problems, parse func(string) (T, error), wrong, do string) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue(ctx.Value.Name)
		if err != nil {
			return err
		}
		value, err := parse(strings.TrimSpace(token.String()))
		if err != nil {
			ps.Add(settingName(ctx.Value), wrong, do)
			return nil //nolint:nilerr // it is reported with all the others
		}
		target.Set(reflect.ValueOf(value))
		return nil
	}
}

// settingName returns what a problem calls the flag of v: its environment variable, if it has one.
func settingName(v *kong.Value) string {
	if v.Flag != nil && !isSetting(v.Flag) {
		return "--" + v.Name
	}
	return envName(v.Name)
}

// switchMapper decodes a flag that is true when it is given without a value.
type switchMapper struct{ kong.MapperFunc }

// IsBool implements kong.BoolMapper.
func (switchMapper) IsBool() bool { return true }

// Decode implements kong.Mapper. A switch takes a value only in --flag=value, and from the environment.
func (m switchMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		return m.MapperFunc(ctx, target)
	}
	target.SetBool(true)
	return nil
}

// secretMapper takes a secret from the environment, which arrives as a validation.Secret,
// and refuses one from the command line, which arrives as text.
func secretMapper(ps *Problems) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue(ctx.Value.Name)
		if err != nil {
			return err
		}
		secret, ok := token.Value.(validation.Secret)
		if !ok {
			env := envName(ctx.Value.Name)
			ps.Add(env, "is given on the command line, where others can read it", "set it in the environment, or name a file that holds it with "+env+"_FILE")
			return nil
		}
		target.Set(reflect.ValueOf(secret))
		return nil
	}
}
