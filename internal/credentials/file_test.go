package credentials

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

func read(t *testing.T, content string) *Book {
	t.Helper()
	accounts, err := parse([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return fixed(t, accounts...)
}

func TestTheDocumentedExample(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(file.Doc.Text()) {
		if strings.HasPrefix(line, "\t") {
			example.WriteString(line)
		}
	}
	b := read(t, example.String())
	wantSigners(t, b, sid1+" the-primary-auth-token", sid1+" the-secondary-auth-token", sid1+" a-shared-key", sid2+" the-auth-token-of-a-subaccount")
	wantAPI(t, b, sid1, key1, "the-secret-of-the-API-key")
	wantAPI(t, b, sid2, sid2, "the-auth-token-of-a-subaccount")
}

func TestPartsOfAnAccount(t *testing.T) {
	keysOnly := read(t, `{"accounts":[{"account_sid":"`+sid1+`","signing_keys":["a","b","a"]}]}`)
	wantSigners(t, keysOnly, sid1+" a", sid1+" b")
	wantNoAPI(t, keysOnly, sid1)

	apiOnly := read(t, `{"accounts":[{"account_sid":"`+sid1+`","api_key":"`+key1+`","api_secret":"s"}]}`)
	wantSigners(t, apiOnly)
	wantAPI(t, apiOnly, sid1, key1, "s")

	twice := read(t, `{"accounts":[{"account_sid":"`+sid1+`","auth_token":"t","signing_keys":["t"]}]}`)
	wantSigners(t, twice, sid1+" t")
	wantAPI(t, twice, sid1, sid1, "t")
}

func TestBadFiles(t *testing.T) {
	const good = `"account_sid":"` + sid1 + `","auth_token":"hunter2"`
	account := func(fields string) string { return `{"accounts":[{` + fields + `}]}` }
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"empty":                  {"", []string{"not JSON at line 1, column 1"}},
		"no JSON":                {"{\n  \"accounts\": hunter2\n}", []string{"not JSON at line 2, column 15"}},
		"cut":                    {account(good)[:40], []string{"not JSON at line 1, column 41"}},
		"more after the object":  {account(good) + "\n{}", []string{"not JSON at line 2, column 1"}},
		"accounts twice":         {`{"accounts":[],"accounts":[]}`, []string{"accounts: is given twice"}},
		"a field twice":          {`{"accounts":[{` + good + `},{"account_sid":"` + sid2 + `","auth_token":"hunter2","auth_token":"hunter2"}]}`, []string{"accounts[1].auth_token: is given twice"}},
		"a field twice, escaped": {account(good + `,"auth_t\u006fken":"t"`), []string{"accounts[0].auth_token: is given twice"}},
		"a field twice, deeper":  {account(good + `,"x":[{"y":[[{"z":1,"z":2}]]}]`), []string{"accounts[0].x[0].y[0][0].z: is given twice"}},
		"bytes that are no text": {account(good + ",\"signing_keys\":[\"\xff\"]"), []string{"not JSON at line 1, column 106"}},
		"a list":                 {`["hunter2"]`, []string{"must be a JSON object"}},
		"null":                   {`null`, []string{"accounts: there is none"}},
		"no accounts":            {`{"accounts":[]}`, []string{"accounts: there is none"}},
		"accounts no list":       {`{"accounts":{}}`, []string{"accounts: must be a list of objects"}},
		"account no object":      {`{"accounts":["hunter2"]}`, []string{"accounts: must be a list of objects"}},
		"unknown field on top":   {`{"account":[]}`, []string{"account: is not a field of this file"}},
		"unknown fields":         {account(good + `,"auth_tokens":"hunter2","Auth_Token":"hunter2"`), []string{"accounts[0].Auth_Token: is not a field of this file", "accounts[0].auth_tokens: is not a field of this file"}},
		"no account":             {account(`"auth_token":"hunter2"`), []string{"accounts[0].account_sid: is missing"}},
		"no accounts twice":      {`{"accounts":[{"auth_token":"a"},{"auth_token":"b"}]}`, []string{"accounts[0].account_sid: is missing", "accounts[1].account_sid: is missing"}},
		"null for an account":    {`{"accounts":[null]}`, []string{"accounts[0].account_sid: is missing"}},
		"malformed account":      {account(`"account_sid":"hunter2","auth_token":"t"`), []string{"accounts[0].account_sid: must be AC and 32 hexadecimal digits"}},
		"nothing but a SID":      {account(`"account_sid":"` + sid1 + `"`), []string{"accounts[0].auth_token: is missing, and so are signing_keys and api_key"}},
		"token no string":        {account(`"account_sid":"` + sid1 + `","auth_token":123`), []string{"accounts[0].auth_token: must be a string"}},
		"token null":             {account(`"account_sid":"` + sid1 + `","auth_token":null`), []string{"accounts[0].auth_token: must be a string"}},
		"token empty":            {account(`"account_sid":"` + sid1 + `","auth_token":""`), []string{"accounts[0].auth_token: is empty"}},
		"token with newline":     {account(`"account_sid":"` + sid1 + `","auth_token":"hunter2\n"`), []string{"accounts[0].auth_token: has white space in it"}},
		"token with a space":     {account(`"account_sid":"` + sid1 + `","auth_token":"hunter2 hunter2"`), []string{"accounts[0].auth_token: has white space in it"}},
		"token in quotes":        {account(`"account_sid":"` + sid1 + `","auth_token":"\"hunter2\""`), []string{"accounts[0].auth_token: has quotes in it"}},
		"key in quotes":          {account(good + `,"signing_keys":["a","'hunter2'"]`), []string{"accounts[0].signing_keys[1]: has quotes in it"}},
		"API secret in quotes":   {account(good + ",\"api_key\":\"" + key1 + "\",\"api_secret\":\"`hunter2`\""), []string{"accounts[0].api_secret: has quotes in it"}},
		"mark in a token":        {account(`"account_sid":"` + sid1 + `","auth_token":"\ufeffhunter2"`), []string{"accounts[0].auth_token: has a character in it that cannot be seen, such as a byte order mark or a zero byte"}},
		"zero bytes in a token":  {account(`"account_sid":"` + sid1 + `","auth_token":"\u0000\u0000"`), []string{"accounts[0].auth_token: has a character in it that cannot be seen, such as a byte order mark or a zero byte"}},
		"another alphabet":       {account(good + `,"signing_keys":["hunter2\u0430"]`), []string{"accounts[0].signing_keys[0]: has a character in it that is not ASCII"}},
		"no token is so long":    {account(good + `,"signing_keys":["` + strings.Repeat("hunter2", 37) + `"]`), []string{"accounts[0].signing_keys[0]: is longer than 256 characters"}},
		"keys no list":           {account(good + `,"signing_keys":"hunter2"`), []string{"accounts[0].signing_keys: must be a list of strings"}},
		"key no string":          {account(good + `,"signing_keys":["a",1]`), []string{"accounts[0].signing_keys: must be a list of strings"}},
		"key empty":              {account(good + `,"signing_keys":["a",""]`), []string{"accounts[0].signing_keys[1]: is empty"}},
		"key with spaces":        {account(good + `,"signing_keys":[" hunter2"]`), []string{"accounts[0].signing_keys[0]: has white space in it"}},
		"API key alone":          {account(good + `,"api_key":"` + key1 + `"`), []string{"accounts[0].api_secret: is missing beside api_key"}},
		"API secret alone":       {account(good + `,"api_secret":"hunter2"`), []string{"accounts[0].api_key: is missing beside api_secret"}},
		"malformed API key":      {account(good + `,"api_key":"hunter2","api_secret":"s"`), []string{"accounts[0].api_key: must be SK and 32 hexadecimal digits"}},
		"the same account twice": {`{"accounts":[{` + good + `},{` + good + `}]}`, []string{"accounts[1].account_sid: is that of accounts[0] too"}},
		"everything at once": {`{"accounts":[{` + good + `,"x":1},{"auth_token":""},{` + good + `,"api_secret":" s"}],"version":1}`, []string{
			"version: is not a field of this file",
			"accounts[0].x: is not a field of this file",
			"accounts[1].auth_token: is empty",
			"accounts[1].account_sid: is missing",
			"accounts[2].api_secret: has white space in it",
			"accounts[2].api_key: is missing beside api_secret",
			"accounts[2].account_sid: is that of accounts[0] too"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(c.content))
			wantProblems(t, err, c.want...)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"accounts":[{"account_sid":"` + sid1 + `","auth_token":"t","signing_keys":["a"],"api_key":"` + key1 + `","api_secret":"s"}]}`))
	f.Add([]byte(`{"accounts":[null,{}],"x":1}`))
	f.Add([]byte("\n{"))
	f.Fuzz(func(t *testing.T, content []byte) {
		accounts, err := parse(content)
		if err != nil {
			return
		}
		if _, err := Fixed(accounts...); err != nil {
			t.Errorf("parse accepts what Fixed does not: %v", err)
		}
	})
}
