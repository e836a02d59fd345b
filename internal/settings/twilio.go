package settings

import (
	"log/slog"

	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// Account is the Twilio account, or in a credentials file the accounts, that we work for.
type Account struct {
	SID             string            `name:"twilio-account-sid" group:"twilio" placeholder:"AC..." help:"Account that the auth token belongs to. Without it the token stands for whichever account a webhook names."`
	AuthToken       validation.Secret `name:"twilio-auth-token" group:"twilio" hidden:"" help:"Auth token: it signs the webhooks, and calls the API unless an API key is given."`
	AuthTokenFile   string            `name:"twilio-auth-token-file" group:"twilio" placeholder:"FILE" help:"File that holds TWILIO_AUTH_TOKEN, which itself can only be given in the environment."`
	CredentialsFile string            `name:"credentials-file" group:"twilio" placeholder:"FILE" help:"JSON file with the keys of one or more accounts, instead of an account, auth token or API key given here; it is read again when it changes."`
}

// token returns the auth token, from wherever it is given.
func (a *Account) token() (validation.Secret, Problems) {
	return load(authToken, a.AuthTokenFile, a.AuthToken)
}

// check reads the files and returns what is wrong. tokenNeeded says that nothing but a credentials file can stand in for
// the auth token.
func (a *Account) check(tokenNeeded bool) (ps Problems) {
	checkSecret(&ps, authToken, a.AuthToken)
	token, flaws := a.token()
	ps = append(ps, flaws...)
	if _, err := validation.ParseSID(a.SID, "AC"); a.SID != "" && err != nil {
		ps.Add("TWILIO_ACCOUNT_SID", "is not an account SID", "give AC and 32 hexadecimal digits, as the Twilio console shows it")
	}
	if a.SID != "" && a.CredentialsFile != "" {
		ps.Add("TWILIO_ACCOUNT_SID", "is given together with ROLLCALL_CREDENTIALS_FILE", "give one of the two; the file names its accounts")
	}
	switch {
	case a.CredentialsFile != "" && !token.IsZero():
		ps.Add("ROLLCALL_CREDENTIALS_FILE", "is given together with "+authToken, "give one of the two; the file can hold the token")
	case a.CredentialsFile != "":
		a.checkFile(&ps)
	case token.IsZero() && a.AuthTokenFile == "" && tokenNeeded:
		ps.Add(authToken, "is not given", "set it in the environment, or name a file with "+authToken+"_FILE or ROLLCALL_CREDENTIALS_FILE")
	}
	return ps
}

func (a *Account) checkFile(ps *Problems) {
	if _, err := credentials.Open(a.CredentialsFile, slog.New(slog.DiscardHandler)); err != nil {
		ps.Add("ROLLCALL_CREDENTIALS_FILE", "cannot be used ("+err.Error()+")", "correct the file")
	}
}

// book returns the accounts: those of the credentials file, or else the one of the settings, with api as its API credentials.
func (a *Account) book(api *participants.Credentials, log *slog.Logger) (*credentials.Book, error) {
	if a.CredentialsFile != "" {
		return credentials.Open(a.CredentialsFile, log)
	}
	token, flaws := a.token()
	if err := flaws.Err(); err != nil {
		return nil, err
	}
	account := credentials.Account{SID: validation.SID(a.SID), API: api}
	if !token.IsZero() {
		account.SigningKeys = []validation.Secret{token}
	}
	return credentials.Fixed(account)
}

// Signing is whom a webhook's receiver trusts.
type Signing struct {
	Account `embed:""`
}

// Check implements Checker.
func (s *Signing) Check() Problems { return s.check(true) }

// Book reads the files and returns the accounts. A credentials file is read again only while the Book's Run runs.
func (s *Signing) Book(log *slog.Logger) (*credentials.Book, error) { return s.book(nil, log) }
