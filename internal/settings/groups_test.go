package settings

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const seed = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNATSCheck(t *testing.T) {
	tests := map[string]struct {
		nats NATS
		want string
	}{
		"default":  {NATS{URL: "nats://127.0.0.1:4222"}, ""},
		"list":     {NATS{URL: "tls://a:4222, wss://b, c:4222"}, ""},
		"empty":    {NATS{}, "NATS_URL"},
		"scheme":   {NATS{URL: "http://a"}, "NATS_URL"},
		"one bad":  {NATS{URL: "nats://a,"}, "NATS_URL"},
		"seed":     {NATS{URL: "a", NKeySeedFile: file(t, seed+"\n")}, ""},
		"creds":    {NATS{URL: "a", Creds: file(t, "-----BEGIN USER NKEY SEED-----\n"+seed+"\n------END USER NKEY SEED------\n")}, ""},
		"no seed":  {NATS{URL: "a", NKeySeedFile: file(t, "UAM"+seed)}, "NATS_NKEY_SEED_FILE"},
		"no file":  {NATS{URL: "a", Creds: "/nowhere"}, "NATS_CREDS"},
		"both":     {NATS{URL: "a", Creds: file(t, seed), NKeySeedFile: file(t, seed)}, "NATS_CREDS"},
		"list dir": {NATS{URL: "a", Creds: t.TempDir()}, "NATS_CREDS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantProblem(t, tt.nats.Check(), tt.want) })
	}
}

func TestSigningCheck(t *testing.T) {
	accounts := file(t, `{"accounts":[{"account_sid":"`+sid+`","auth_token":"`+secret+`"}]}`)
	tests := map[string]struct {
		env  map[string]string
		want string
	}{
		"token":       {map[string]string{"TWILIO_AUTH_TOKEN": secret}, ""},
		"token file":  {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, " "+secret+"\n")}, ""},
		"nothing":     {nil, "TWILIO_AUTH_TOKEN"},
		"empty file":  {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, "\n")}, "TWILIO_AUTH_TOKEN_FILE"},
		"two lines":   {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, secret+"\n"+secret)}, "TWILIO_AUTH_TOKEN_FILE"},
		"quoted file": {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, `"`+secret+`"`)}, "TWILIO_AUTH_TOKEN_FILE"},
		"quoted":      {map[string]string{"TWILIO_AUTH_TOKEN": `"` + secret + `"`}, "TWILIO_AUTH_TOKEN"},
		"half quoted": {map[string]string{"TWILIO_AUTH_TOKEN": secret + "'"}, "TWILIO_AUTH_TOKEN"},
		"line end":    {map[string]string{"TWILIO_AUTH_TOKEN": secret + "\r"}, "TWILIO_AUTH_TOKEN"},
		"space":       {map[string]string{"TWILIO_AUTH_TOKEN": " " + secret}, "TWILIO_AUTH_TOKEN"},
		"odd space":   {map[string]string{"TWILIO_AUTH_TOKEN": secret + "\u00a0"}, "TWILIO_AUTH_TOKEN"},
		"marked":      {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, "\ufeff"+secret)}, "TWILIO_AUTH_TOKEN_FILE"},
		"UTF-16":      {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, "\xff\xfeh\x00u\x00")}, "TWILIO_AUTH_TOKEN_FILE"},
		"zero bytes":  {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, strings.Repeat("\x00", 100_000))}, "TWILIO_AUTH_TOKEN_FILE"},
		"not text":    {map[string]string{"TWILIO_AUTH_TOKEN": secret + "\xff"}, "TWILIO_AUTH_TOKEN"},
		"long":        {map[string]string{"TWILIO_AUTH_TOKEN_FILE": file(t, strings.Repeat(secret, 100))}, "TWILIO_AUTH_TOKEN_FILE"},
		"the same":    {map[string]string{"TWILIO_AUTH_TOKEN": secret, "TWILIO_AUTH_TOKEN_FILE": file(t, secret)}, ""},
		"another":     {map[string]string{"TWILIO_AUTH_TOKEN": secret, "TWILIO_AUTH_TOKEN_FILE": file(t, "x")}, "TWILIO_AUTH_TOKEN_FILE"},
		"with a file": {map[string]string{"TWILIO_AUTH_TOKEN": secret, "ROLLCALL_CREDENTIALS_FILE": "/x"}, "ROLLCALL_CREDENTIALS_FILE"},
		"sid":         {map[string]string{"TWILIO_AUTH_TOKEN": secret, "TWILIO_ACCOUNT_SID": key}, "TWILIO_ACCOUNT_SID"},
		"sid, a file": {map[string]string{"TWILIO_ACCOUNT_SID": sid, "ROLLCALL_CREDENTIALS_FILE": accounts}, "TWILIO_ACCOUNT_SID"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var cli struct {
				Signing `embed:""`
			}
			p := program(func(name string) string { return tt.env[name] })
			_, err := p.Parse(&cli, nil)
			problems, _ := err.(Problems) //nolint:errorlint // Parse returns it as it is
			wantProblem(t, problems, tt.want)
			if token, _ := cli.token(); tt.want == "" && token.Reveal() != secret {
				t.Errorf("got another token than %q", secret)
			}
		})
	}
}

// Whoever asks for the accounts gets what the files hold, or an error, checked or not; and a check changes nothing.
func TestBookReadsTheFiles(t *testing.T) {
	a := API{Account: Account{AuthTokenFile: file(t, secret+"\n")}}
	before := a
	for range 2 {
		book, err := a.Book(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if keys, _ := book.Signers(); len(keys) != 1 || keys[0].Reveal() != secret {
			t.Errorf("got %d signing keys, want the one of the file", len(keys))
		}
		if cred, _ := book.API(sid); cred.Username != sid || cred.Password.Reveal() != secret {
			t.Errorf("got credentials of %q, want the file's token for %s", cred.Username, sid)
		}
		if ps := a.Check(); len(ps) != 0 || a != before {
			t.Errorf("got %v and other settings %t, want no problem and no change", ps, a != before)
		}
	}
	for name, a := range map[string]API{
		"token":  {Account: Account{AuthTokenFile: "/none"}},
		"secret": {Key: key, SecretFile: "/none"},
	} {
		if _, err := a.Book(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "_FILE") {
			t.Errorf("%s: got %v, want that its file cannot be read", name, err)
		}
	}
}

// A setting that would be passed over beside a credentials file is refused, and the refusal names both.
func TestNothingOfAnAccountIsGivenBesideItsFile(t *testing.T) {
	accounts := file(t, `{"accounts":[{"account_sid":"`+sid+`","auth_token":"`+secret+`"}]}`)
	for beside, env := range map[string]map[string]string{
		"TWILIO_ACCOUNT_SID": {"TWILIO_ACCOUNT_SID": sid},
		"TWILIO_AUTH_TOKEN":  {"TWILIO_AUTH_TOKEN": secret},
		"TWILIO_API_KEY":     {"TWILIO_API_KEY": key, "TWILIO_API_SECRET": secret},
	} {
		env["ROLLCALL_CREDENTIALS_FILE"] = accounts
		var cli struct {
			API `embed:""`
		}
		_, err := program(func(name string) string { return env[name] }).Parse(&cli, nil)
		problems, _ := err.(Problems) //nolint:errorlint // Parse returns it as it is
		if text := problems.Error(); len(problems) != 1 || !strings.Contains(text, beside) || !strings.Contains(text, "ROLLCALL_CREDENTIALS_FILE") {
			t.Errorf("got %q, want one problem that names %s and ROLLCALL_CREDENTIALS_FILE", text, beside)
		}
	}
}

func TestAPIHosts(t *testing.T) {
	tests := []struct {
		api                 API
		conversations, flex string
	}{
		{API{}, "https://conversations.twilio.com", "https://flex-api.twilio.com"},
		{API{Edge: "dublin", Region: "ie1"}, "https://conversations.dublin.ie1.twilio.com", "https://flex-api.dublin.ie1.twilio.com"},
		{API{Edge: "sydney"}, "https://conversations.sydney.us1.twilio.com", "https://flex-api.sydney.us1.twilio.com"},
		{API{Region: "au1"}, "https://conversations.au1.twilio.com", "https://flex-api.au1.twilio.com"},
		{API{Region: "au1", FlexURL: "http://127.0.0.1:9"}, "https://conversations.au1.twilio.com", "http://127.0.0.1:9"},
	}
	for _, tt := range tests {
		if got := tt.api.Client(); got.ConversationsURL != tt.conversations || got.FlexURL != tt.flex {
			t.Errorf("got %s and %s, want %s and %s", got.ConversationsURL, got.FlexURL, tt.conversations, tt.flex)
		}
	}
}

func TestAPIKey(t *testing.T) {
	tests := map[string]struct {
		env  map[string]string
		want string
	}{
		"key and secret":    {map[string]string{"TWILIO_API_KEY": key, "TWILIO_API_SECRET": secret}, ""},
		"secret in a file":  {map[string]string{"TWILIO_API_KEY": key, "TWILIO_API_SECRET_FILE": file(t, secret)}, ""},
		"quoted secret":     {map[string]string{"TWILIO_API_KEY": key, "TWILIO_API_SECRET": "'" + secret + "'"}, "TWILIO_API_SECRET"},
		"secret alone":      {map[string]string{"TWILIO_AUTH_TOKEN": secret, "TWILIO_API_SECRET": secret}, "TWILIO_API_KEY"},
		"key alone":         {map[string]string{"TWILIO_API_KEY": key}, "TWILIO_API_SECRET"},
		"malformed":         {map[string]string{"TWILIO_API_KEY": sid, "TWILIO_API_SECRET": secret}, "TWILIO_API_KEY"},
		"token":             {map[string]string{"TWILIO_AUTH_TOKEN": secret}, ""},
		"neither":           {nil, "TWILIO_AUTH_TOKEN"},
		"key and file":      {map[string]string{"TWILIO_API_KEY": key, "TWILIO_API_SECRET": secret, "ROLLCALL_CREDENTIALS_FILE": "/none"}, "ROLLCALL_CREDENTIALS_FILE"},
		"conversations url": {map[string]string{"TWILIO_AUTH_TOKEN": secret, "ROLLCALL_CONVERSATIONS_URL": "https://x/?q"}, "ROLLCALL_CONVERSATIONS_URL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var cli struct {
				API `embed:""`
			}
			p := program(func(name string) string { return tt.env[name] })
			_, err := p.Parse(&cli, nil)
			problems, _ := err.(Problems) //nolint:errorlint // Parse returns it as it is
			wantProblem(t, problems, tt.want)
		})
	}
}

func TestCheckListen(t *testing.T) {
	for address, good := range map[string]bool{
		":8080": true, "127.0.0.1:0": true, "[::1]:80": true, "host:65535": true,
		"": false, "8080": false, ":": false, ":65536": false, ":http": false,
	} {
		var ps Problems
		if CheckListen(&ps, "ROLLCALL_LISTEN", address); (len(ps) == 0) != good {
			t.Errorf("got %v for %q, want good %v", ps, address, good)
		}
	}
}

// wantProblem checks that the first problem is setting's, or that there is none when setting is "".
func wantProblem(t *testing.T, ps Problems, setting string) {
	t.Helper()
	if strings.Contains(ps.Error(), secret) {
		t.Errorf("got the secret in %v", ps)
	}
	switch {
	case setting == "" && len(ps) != 0:
		t.Errorf("got %v, want no problem", ps)
	case setting != "" && (len(ps) == 0 || ps[0].Setting != setting):
		t.Errorf("got %v, want a problem with %s", ps, setting)
	}
}

func TestCheckListenApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		good bool
	}{
		{":8080", ":8080", false},
		{":8080", "0.0.0.0:8080", false},
		{":8080", "[::]:8080", false},
		{"0.0.0.0:8080", "[::]:8080", false},
		{":8080", "127.0.0.1:8080", false},
		{"0.0.0.0:8080", "127.0.0.1:8080", false},
		{"0.0.0.0:8080", "hooks.internal:8080", false},
		{"localhost:8080", "127.0.0.1:8080", false},
		{"127.0.0.1:8080", "127.0.0.1:08080", false},
		{"[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", false},
		{"127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", false},
		{":8080", ":8081", true},
		{"127.0.0.1:8080", "127.0.0.2:8080", true},
		{"0.0.0.0:8080", "[::1]:8080", true},
		{"a.internal:8080", "b.internal:8080", true},
		{"127.0.0.1:0", "127.0.0.1:0", true}, // each gets a free one
		{"8080", "8080", true},               // for CheckListen to tell
	} {
		for range 2 {
			var ps Problems
			if CheckListenApart(&ps, "ROLLCALL_OPS_LISTEN", c.a, "ROLLCALL_LISTEN", c.b); (len(ps) == 0) != c.good {
				t.Errorf("%s and %s: got %v, want good %t", c.a, c.b, ps, c.good)
			}
			c.a, c.b = c.b, c.a
		}
	}
}
