package credentials

import (
	"testing"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func secrets(values ...string) []validation.Secret {
	list := make([]validation.Secret, len(values))
	for i, value := range values {
		list[i] = validation.NewSecret(value)
	}
	return list
}

func fixed(t *testing.T, accounts ...Account) *Book {
	t.Helper()
	b, err := Fixed(accounts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFixed(t *testing.T) {
	b := fixed(t,
		Account{SID: sid2, SigningKeys: secrets("b", "a"), API: &participants.Credentials{Username: key1, Password: validation.NewSecret("s")}},
		Account{SID: sid1, SigningKeys: secrets("a")})
	wantSigners(t, b, sid2+" b", sid2+" a", sid1+" a")
	wantAPI(t, b, sid2, key1, "s")
	wantNoAPI(t, b, sid1)
	wantNoAPI(t, b, "AC00000000000000000000000000000003")
}

// With nothing but an auth token there is one account, any, and Twilio is called as the event's.
func TestAnyAccount(t *testing.T) {
	b := fixed(t, Account{SigningKeys: secrets("token"), API: &participants.Credentials{Password: validation.NewSecret("token")}})
	wantSigners(t, b, " token")
	wantAPI(t, b, sid1, sid1, "token")
	wantAPI(t, b, sid2, sid2, "token")
}

func TestAnyAccountWithAnAPIKey(t *testing.T) {
	b := fixed(t, Account{API: &participants.Credentials{Username: key1, Password: validation.NewSecret("s")}})
	wantSigners(t, b)
	wantAPI(t, b, sid1, key1, "s")
}

func TestAnAccountOfItsOwnComesBeforeAny(t *testing.T) {
	b := fixed(t,
		Account{API: &participants.Credentials{Password: validation.NewSecret("any")}},
		Account{SID: sid1, API: &participants.Credentials{Password: validation.NewSecret("own")}})
	wantAPI(t, b, sid1, sid1, "own")
	wantAPI(t, b, sid2, sid2, "any")
}

func TestFixedNamesAllProblems(t *testing.T) {
	_, err := Fixed(
		Account{SID: "hunter2", SigningKeys: secrets("hunter2", "")},
		Account{SID: sid1},
		Account{SID: sid1, API: &participants.Credentials{Username: key1}},
		Account{SigningKeys: secrets("a")},
		Account{SigningKeys: secrets("b")})
	wantProblems(t, err,
		"accounts[0].account_sid: must be AC and 32 hexadecimal digits",
		"accounts[0].signing_keys[1]: is empty",
		"accounts[1].auth_token: is missing, and so are signing_keys and api_key",
		"accounts[2].api_secret: is empty",
		"accounts[2].account_sid: is that of accounts[1] too",
		"accounts[4].account_sid: is that of accounts[3] too")
	_, err = Fixed()
	wantProblems(t, err, "accounts: there is none")
}
