package credentials

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// parse reads the file's content. Its errors name all that is wrong, by place and field, and carry
// nothing of what stands there.
func parse(content []byte) ([]Account, error) {
	var top fields
	if err := json.Unmarshal(content, &top.raw); err != nil {
		return nil, positioned(content, err)
	}
	entries, _ := take[[]map[string]jsontext.Value](&top, "accounts", "must be a list of objects")
	top.refuseOthers()

	accounts := make([]Account, len(entries))
	seen := make(places)
	for i, entry := range entries {
		f := fields{raw: entry}
		accounts[i] = f.account()
		if sid := accounts[i].SID; sid != "" {
			f.problems = append(f.problems, seen.twice(sid, i)...)
		}
		top.problems.add(i, f.problems)
	}
	if len(top.problems) == 0 && len(accounts) == 0 {
		top.problems = problems{noAccounts}
	}
	if len(top.problems) > 0 {
		return nil, top.problems
	}
	return accounts, nil
}

// positioned says where content stops being an object with each field once. The decoder's own words quote it.
func positioned(content []byte, err error) error {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !ok:
		return errors.New("must be a JSON object")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return problems{place(syntax.JSONPointer) + ": is given twice"}
	}
	before := string(content[:min(int(syntax.ByteOffset), len(content))])
	line := 1 + strings.Count(before, "\n")
	column := len(before) - strings.LastIndexByte(before, '\n')
	return fmt.Errorf("not JSON at line %d, column %d", line, column)
}

// place returns pointer as problems name a field: "accounts[0].auth_token".
func place(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// fields takes one object apart, field by field, and notes every problem.
type fields struct {
	raw      map[string]jsontext.Value
	problems problems
}

func (f *fields) account() Account {
	sid, _ := take[string](f, "account_sid", "must be a string")
	token := f.secret("auth_token")
	a := Account{SID: validation.SID(sid), SigningKeys: f.signingKeys(token), API: f.api(token)}
	if sid == "" {
		f.note("account_sid", "is missing")
	}
	f.refuseOthers()
	if len(f.problems) == 0 {
		f.problems = a.problems()
	}
	return a
}

func (f *fields) signingKeys(token validation.Secret) []validation.Secret {
	values, _ := take[[]string](f, "signing_keys", "must be a list of strings")
	keys := make([]validation.Secret, 0, 1+len(values))
	if !token.IsZero() {
		keys = append(keys, token)
	}
	for i, value := range values {
		key := f.sealed(fmt.Sprintf("signing_keys[%d]", i), value)
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// api prefers an API key to the auth token: it can be revoked by itself.
func (f *fields) api(token validation.Secret) *participants.Credentials {
	key, _ := take[string](f, "api_key", "must be a string")
	secret := f.secret("api_secret")
	switch {
	case key != "" && !validation.IsSID(key, validation.PrefixAPIKey):
		f.note("api_key", "must be SK and 32 hexadecimal digits")
	case key != "" && secret.IsZero():
		f.note("api_secret", "is missing beside api_key")
	case key == "" && !secret.IsZero():
		f.note("api_key", "is missing beside api_secret")
	case key != "":
		return &participants.Credentials{Username: key, Password: secret}
	case !token.IsZero():
		return &participants.Credentials{Password: token}
	}
	return nil
}

func (f *fields) secret(name string) validation.Secret {
	value, ok := take[string](f, name, "must be a string")
	if !ok {
		return validation.Secret{}
	}
	return f.sealed(name, value)
}

// sealed returns value as a secret, and notes what is wrong with it.
func (f *fields) sealed(name, value string) validation.Secret {
	secret := validation.NewSecret(value)
	switch flaw := Flaw(secret); {
	case secret.IsZero():
		f.note(name, "is empty")
	case flaw != "":
		f.note(name, flaw)
	}
	return secret
}

// take decodes the field and takes it off the object; ok says that it was there and right.
func take[T any](f *fields, name, rule string) (value T, ok bool) {
	raw, given := f.raw[name]
	delete(f.raw, name)
	if !given {
		return value, false
	}
	var decoded *T // nil after null, which is no value
	if err := json.Unmarshal(raw, &decoded); err != nil || decoded == nil {
		f.note(name, rule)
		return value, false
	}
	return *decoded, true
}

// refuseOthers notes every field that nobody has read.
func (f *fields) refuseOthers() {
	for _, name := range slices.Sorted(maps.Keys(f.raw)) {
		f.note(name, "is not a field of this file")
	}
}

func (f *fields) note(name, rule string) {
	f.problems = append(f.problems, name+": "+rule)
}
