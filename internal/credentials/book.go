package credentials

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Account is one Twilio account. It has at least one signing key or API credentials.
type Account struct {
	// SID is the account's; an empty one stands for every account that has no entry of its own.
	SID validation.SID
	// SigningKeys are those that may have signed a webhook: auth tokens (primary, secondary), shared keys.
	SigningKeys []validation.Secret
	// API is what Twilio's API is called with; without it, events of this account cannot be enriched. An empty
	// Username, which an auth token has, stands for the SID of the account that is asked for.
	API *participants.Credentials
}

// Book is the current set of accounts. It is safe for concurrent use, and what it
// returns never changes under the caller, who must not change it either.
type Book struct {
	current atomic.Pointer[page]

	// Of a Book that was opened from a file.
	path    string
	log     *slog.Logger
	seen    version // what the last look found; Run's alone
	problem atomic.Pointer[error]
}

// page is one state of a Book; it is never changed.
type page struct {
	keys     []validation.Secret
	accounts []validation.SID // accounts[i] is whose keys[i] is
	api      map[validation.SID]participants.Credentials
}

// Fixed returns a Book of accounts that stay as they are. All that is wrong with them is
// reported at once, by their place in the list.
func Fixed(accounts ...Account) (*Book, error) {
	var ps problems
	if len(accounts) == 0 {
		ps = problems{noAccounts}
	}
	seen := make(places)
	for i, a := range accounts {
		ps.add(i, slices.Concat(a.problems(), seen.twice(a.SID, i)))
	}
	if len(ps) > 0 {
		return nil, ps
	}
	var b Book
	b.current.Store(newPage(accounts))
	return &b, nil
}

const noAccounts = "accounts: there is none"

// problems is all that is wrong, in one line: "accounts[0].api_key: is missing beside api_secret; …".
type problems []string

func (ps problems) Error() string { return strings.Join(ps, "; ") }

// add notes what is wrong with the account in place i.
func (ps *problems) add(i int, found problems) {
	for _, p := range found {
		*ps = append(*ps, fmt.Sprintf("accounts[%d].%s", i, p))
	}
}

// places is where each SID stands first.
type places map[validation.SID]int

// twice notes that sid stands in place i, which is wrong when it stood somewhere before.
func (ps places) twice(sid validation.SID, i int) problems {
	if j, before := ps[sid]; before {
		return problems{fmt.Sprintf("account_sid: is that of accounts[%d] too", j)}
	}
	ps[sid] = i
	return nil
}

func (a Account) problems() (ps problems) {
	if a.SID != "" && !validation.IsSID(string(a.SID), validation.PrefixAccount) {
		ps = append(ps, "account_sid: must be AC and 32 hexadecimal digits")
	}
	for i, key := range a.SigningKeys {
		if key.IsZero() {
			ps = append(ps, fmt.Sprintf("signing_keys[%d]: is empty", i))
		}
	}
	if a.API != nil && a.API.Password.IsZero() {
		ps = append(ps, "api_secret: is empty")
	}
	if len(a.SigningKeys) == 0 && a.API == nil {
		ps = append(ps, "auth_token: is missing, and so are signing_keys and api_key")
	}
	return ps
}

func newPage(accounts []Account) *page {
	p := page{api: make(map[validation.SID]participants.Credentials)}
	for _, a := range accounts {
		for _, key := range a.SigningKeys {
			p.keys = append(p.keys, key)
			p.accounts = append(p.accounts, a.SID)
		}
		if a.API != nil {
			p.api[a.SID] = *a.API
		}
	}
	return &p
}

// Signers returns every signing key with the account it belongs to, in the order in which
// they were given: keys[i] belongs to accounts[i]. A key of several accounts is there
// once for each.
func (b *Book) Signers() (keys []validation.Secret, accounts []validation.SID) {
	p := b.current.Load()
	return p.keys, p.accounts
}

// API returns the credentials to call Twilio's API with for account; false when there are none.
func (b *Book) API(account validation.SID) (participants.Credentials, bool) {
	p := b.current.Load()
	credentials, ok := p.api[account]
	if !ok {
		credentials, ok = p.api[""]
	}
	if ok && credentials.Username == "" {
		credentials.Username = string(account)
	}
	return credentials, ok
}
