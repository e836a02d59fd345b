package events

import (
	"slices"

	"github.com/rollcall-events/rollcall/validation"
)

// accountNames are Twilio's names for the account an event belongs to: v1 and Flex, then v2, then
// what other products stream.
var accountNames = []string{"AccountSid", "accountId", "accountSid", "account_sid"}

// account returns the account that m speaks for. foreign means that the key that signed it may
// not speak for that account.
func (m message) account(signer []validation.SID) (account validation.SID, foreign bool, problem *validation.Problem) {
	text, name, ok := m.resource.text(accountNames...)
	account, err := validation.ParseSID(text, "AC")
	switch {
	case ok && err == nil:
		return account, !slices.Contains(signer, account) && !slices.Contains(signer, ""), nil
	case ok && text == "", !m.kind.known(): // an unknown type may call something else by the name
		return m.defaultAccount(signer)
	case !ok:
		return "", false, &validation.Problem{Field: name, Rule: "string"}
	default:
		return "", false, &validation.Problem{Field: name, Rule: "sid=AC"}
	}
}

// defaultAccount is the account of an event that names none: the signing key's. When that stands for
// any account, only what needs no lookup can do without.
func (m message) defaultAccount(signer []validation.SID) (validation.SID, bool, *validation.Problem) {
	account := signerAccount(signer)
	if account == "" && m.kind.Lookup != LookupNone {
		return "", false, &validation.Problem{Field: accountNames[0], Rule: "required"}
	}
	return account, false, nil
}

// signerAccount is the first account of the key that names one.
func signerAccount(signer []validation.SID) validation.SID {
	for _, account := range signer {
		if account != "" {
			return account
		}
	}
	return ""
}
