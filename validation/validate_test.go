package validation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/validation"
)

type address struct {
	Channel string `json:"channel" validate:"required"`
	Address string `json:"address" validate:"max=5"`
}

type Common struct {
	Account validation.SID `json:"account_sid" validate:"sid=AC"`
}

type record struct {
	Common

	ID        string            `json:"-" validate:"required"`
	Sid       *string           `json:"sid" validate:"omitempty,sid=MB UT"`
	Any       string            `json:"any" validate:"omitempty,sid"`
	V2        validation.V2ID   `json:"v2" validate:"omitempty,v2id"`
	Profile   string            `json:"profileId" validate:"omitempty,v2id=mem_profile"`
	Either    string            `json:"either" validate:"omitempty,v2id|sid=CH"`
	Date      string            `json:"date_created,omitempty" validate:"omitempty,rfc3339"`
	Attrs     string            `json:"attributes" validate:"omitempty,jsontext"`
	Binding   *address          `json:"messaging_binding"`
	Addresses []address         `json:"addresses" validate:"max=3,dive"`
	IDs       []validation.V2ID `json:"ids" validate:"dive,v2id"`
	Dotted    string            `json:"MessagingBinding.Type" validate:"omitempty,oneof=SMS CHAT"`
	Untagged  string            `validate:"max=3"`
}

func good() record {
	return record{Common: Common{Account: "AC" + digits}, ID: "x"}
}

func TestStruct(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*record)
		want   []string
	}{
		"nothing wrong":            {func(*record) {}, nil},
		"every field right":        {fill, nil},
		"embedded":                 {func(r *record) { r.Account = "CH" + digits }, []string{"account_sid: sid=AC"}},
		"required and not on wire": {func(r *record) { r.ID = "" }, []string{"ID: required"}},
		"pointer":                  {func(r *record) { r.Sid = new("CH" + digits) }, []string{"sid: sid=MB UT"}},
		"pointer to empty":         {func(r *record) { r.Sid = new("") }, []string{"sid: sid=MB UT"}},
		"any prefix":               {func(r *record) { r.Any = "x" }, []string{"any: sid"}},
		"v2 lenient":               {func(r *record) { r.V2 = "a.b" }, []string{"v2: v2id"}},
		"v2 of another family":     {func(r *record) { r.Profile = "mem_store_" + v2Suffix }, []string{"profileId: v2id=mem_profile"}},
		"v2 not strict":            {func(r *record) { r.Profile = "mem_profile_1" }, []string{"profileId: v2id=mem_profile"}},
		"v2 not even lenient":      {func(r *record) { r.Profile = "." }, []string{"profileId: v2id=mem_profile"}},
		"alternatives":             {func(r *record) { r.Either = "." }, []string{"either: v2id|sid=CH"}},
		"date":                     {func(r *record) { r.Date = "yesterday" }, []string{"date_created: rfc3339"}},
		"attributes":               {func(r *record) { r.Attrs = "{" }, []string{"attributes: jsontext"}},
		"nested":                   {func(r *record) { r.Binding = &address{Address: "123456"} }, []string{"messaging_binding.channel: required", "messaging_binding.address: max=5"}},
		"dived":                    {func(r *record) { r.Addresses = []address{{Channel: "sms"}, {Channel: "sms"}, {}} }, []string{"addresses[2].channel: required"}},
		"too many":                 {func(r *record) { r.Addresses = make([]address, 4) }, []string{"addresses: max=3"}},
		"list of ids":              {func(r *record) { r.IDs = []validation.V2ID{"a", "*"} }, []string{"ids[1]: v2id"}},
		"name with a dot":          {func(r *record) { r.Dotted = "FAX" }, []string{"MessagingBinding.Type: oneof=SMS CHAT"}},
		"no json name":             {func(r *record) { r.Untagged = "long" }, []string{"Untagged: max=3"}},
		"several, in field order":  {func(r *record) { r.Untagged, r.Any, r.Account = "long", "x", "" }, []string{"account_sid: sid=AC", "any: sid", "Untagged: max=3"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := good()
			c.change(&in)
			if got := problems(t, validation.Struct(in)); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := problems(t, validation.Struct(&in)); !slices.Equal(got, c.want) {
				t.Errorf("by pointer: got %q, want %q", got, c.want)
			}
		})
	}
}

func fill(r *record) {
	r.Sid, r.Any = new("UT"+digits), "ZZ"+digits
	r.V2, r.Profile, r.Either = "anything-goes", "mem_profile_"+v2Suffix, "CH"+digits
	r.Date, r.Attrs = "2025-09-17T22:23:11.350Z", `{"role":"driver"}`
	r.Binding = &address{Channel: "sms"}
	r.Addresses, r.IDs = []address{{Channel: "sms"}}, []validation.V2ID{"a", "b"}
	r.Dotted, r.Untagged = "SMS", "abc"
}

func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	ps, ok := errors.AsType[validation.Problems](err)
	if !ok {
		t.Fatalf("got %T (%v), want Problems", err, err)
	}
	var list []string
	for _, p := range ps {
		list = append(list, p.String())
	}
	if got, want := err.Error(), strings.Join(list, "; "); got != want {
		t.Errorf("Error(): got %q, want %q", got, want)
	}
	return list
}

func TestStructOfGenericAndAnonymousTypes(t *testing.T) {
	type boxed = box[Common]
	if got, want := problems(t, validation.Struct(boxed{})), []string{"value.account_sid: sid=AC"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	anonymous := struct {
		N int `json:"n" validate:"required"`
	}{}
	if got, want := problems(t, validation.Struct(anonymous)), []string{"n: required"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

type box[T any] struct {
	Value T `json:"value"`
}

func TestARequiredStruct(t *testing.T) {
	in := struct {
		Binding address `json:"messaging_binding" validate:"required"`
	}{}
	if got, want := problems(t, validation.Struct(in)), []string{"messaging_binding: required"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStructOfNoStruct(t *testing.T) {
	for _, in := range []any{nil, 1, (*record)(nil)} {
		err := validation.Struct(in)
		if _, is := errors.AsType[validation.Problems](err); err == nil || is {
			t.Errorf("Struct(%v): got %v, want an error that is no Problems", in, err)
		}
	}
}

func TestRFC3339(t *testing.T) {
	for in, ok := range map[string]bool{
		"2016-03-24T21:05:50Z":          true,
		"2025-09-17T22:23:11.350Z":      true,
		"2025-11-18T00:00:01.000Z":      true,
		"2025-11-18T00:00:01.123456Z":   true,
		"2025-11-18T00:00:01+01:00":     true,
		"2025-11-18T00:00:01":           false,
		"2025-11-18 00:00:01Z":          false,
		"2025-11-18T00:00:01,5Z":        false,
		"2025-11-18T0:00:01Z":           false,
		"2025-02-30T00:00:00Z":          false,
		"2025-11-18T24:00:00Z":          false,
		"2025-11-18T00:00:01+0100":      false,
		"Tue, 18 Nov 2025 00:00:00 GMT": false,
		"1763424000":                    false,
	} {
		date := struct {
			D string `json:"d" validate:"rfc3339"`
		}{in}
		if err := validation.Struct(date); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %t", in, err, ok)
		}
	}
}

func TestJSONText(t *testing.T) {
	for in, ok := range map[string]bool{
		`{}`: true, `{ "role": "driver" }`: true, `[]`: true, `null`: true, `"text"`: true, `1`: true,
		``: false, `{`: false, `{'a':1}`: false, `{}{}`: false, `text`: false, `{"a":}`: false,
	} {
		attributes := struct {
			A string `json:"a" validate:"jsontext"`
		}{in}
		if err := validation.Struct(attributes); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %t", in, err, ok)
		}
	}
}

// Every field is empty and optional: the mistake is in the tag, and found there.
func TestStructPanicsOnATagItCannotMean(t *testing.T) {
	type inner struct {
		S string `validate:"omitempty,sid=CH XX"`
	}
	for name, in := range map[string]any{
		"unknown prefix": struct {
			S string `validate:"omitempty,sid=XX"`
		}{},
		"prefix in lower case": struct {
			S string `validate:"omitempty,sid=ch"`
		}{},
		"unknown family": struct {
			S string `validate:"omitempty,v2id=conv_nothing"`
		}{},
		"behind another rule": struct {
			S string `validate:"omitempty,v2id|sid=XX"`
		}{},
		"unknown tag": struct {
			S string `validate:"omitempty,sidd"`
		}{},
		"nested":              struct{ In *inner }{},
		"nested in a list":    struct{ In []inner }{},
		"nested in a map":     struct{ In map[string]inner }{},
		"pointer to a struct": &struct{ In [2]inner }{},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // a panic that somebody recovers from does not make the type right
				if !panics(func() { _ = validation.Struct(in) }) {
					t.Errorf("got no panic from %T, want one", in)
				}
			}
		})
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestStructOfATypeThatContainsItself(t *testing.T) {
	type node struct {
		Name string  `json:"name" validate:"required"`
		Next []*node `json:"next" validate:"dive"`
	}
	in := node{Name: "a", Next: []*node{{Name: "b"}, {}}}
	if got, want := problems(t, validation.Struct(in)), []string{"next[1].name: required"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkStruct(b *testing.B) {
	in := good()
	fill(&in)
	b.ReportAllocs()
	for b.Loop() {
		if err := validation.Struct(&in); err != nil {
			b.Fatal(err)
		}
	}
}
