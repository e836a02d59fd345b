package events

import (
	"slices"

	"github.com/rollcall-events/rollcall/validation"
)

// accountNames are Twilio's names for the account that an event belongs to: in v1 and Flex, in v2, and in
// what other products stream.
var accountNames = []string{"AccountSid", "accountId", "accountSid", "account_sid"}

// account returns the account that m belongs to. foreign means that the key that signed m is not that account's.
func (m message) account(signer []validation.SID) (account validation.SID, foreign bool, problem *validation.Problem) {
	text, name, ok := m.resource.text(accountNames...)
	account, err := validation.ParseSID(text, validation.PrefixAccount)
	switch {
	case ok && err == nil:
		return account, !slices.Contains(signer, account) && !slices.Contains(signer, ""), nil
	case ok && text == "", !m.kind.known(): // an unknown type may use the name for something else
		return m.defaultAccount(signer)
	case !ok:
		return "", false, &validation.Problem{Field: name, Rule: "string"}
	default:
		return "", false, &validation.Problem{Field: name, Rule: "sid=AC"}
	}
}

// defaultAccount returns the account of an event that names none: the signing key's. Where the key stands for any
// account there is none, which only an event that needs no lookup can do without.
func (m message) defaultAccount(signer []validation.SID) (validation.SID, bool, *validation.Problem) {
	account := signerAccount(signer)
	if account == "" && m.kind.Lookup != LookupNone {
		return "", false, &validation.Problem{Field: accountNames[0], Rule: "required"}
	}
	return account, false, nil
}

// signerAccount returns the first account that signer names, or "".
func signerAccount(signer []validation.SID) validation.SID {
	for _, account := range signer {
		if account != "" {
			return account
		}
	}
	return ""
}
