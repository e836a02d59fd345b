package settings

import (
	"log/slog"
	"regexp"
	"strings"

	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// API is how Twilio's API is called: as whom, and where.
type API struct {
	Account          `embed:""`
	Key              string            `name:"twilio-api-key" group:"twilio" placeholder:"SK..." help:"API key to call the API with, instead of the account's auth token."`
	Secret           validation.Secret `name:"twilio-api-secret" group:"twilio" hidden:"" help:"Secret of TWILIO_API_KEY."`
	SecretFile       string            `name:"twilio-api-secret-file" group:"twilio" placeholder:"FILE" help:"File that holds TWILIO_API_SECRET, which itself can only be given in the environment."`
	Edge             string            `name:"twilio-edge" group:"twilio" placeholder:"EDGE" help:"Edge location to enter Twilio's network at, such as dublin: part of the API's host name."`
	Region           string            `name:"twilio-region" group:"twilio" placeholder:"REGION" help:"Region that processes the calls, such as ie1 (us1 when only an edge is given): part of the API's host name."`
	ConversationsURL string            `name:"conversations-url" group:"twilio" placeholder:"URL" help:"Base URL of the Conversations API (v1 and v2), instead of Twilio's own host."`
	FlexURL          string            `name:"flex-url" group:"twilio" placeholder:"URL" help:"Base URL of the Flex API, instead of Twilio's own host."`
}

// secret returns the secret of the API key, from wherever it is given.
func (a *API) secret() (validation.Secret, Problems) { return load(apiSecret, a.SecretFile, a.Secret) }

// Check implements Checker.
func (a *API) Check() Problems {
	ps := a.check(a.Key == "")
	checkSecret(&ps, apiSecret, a.Secret)
	_, flaws := a.secret()
	ps = append(ps, flaws...)
	a.checkKey(&ps)
	checkLabel(&ps, "TWILIO_EDGE", a.Edge, "dublin")
	checkLabel(&ps, "TWILIO_REGION", a.Region, "ie1")
	checkBaseURL(&ps, "ROLLCALL_CONVERSATIONS_URL", a.ConversationsURL)
	checkBaseURL(&ps, "ROLLCALL_FLEX_URL", a.FlexURL)
	return ps
}

func (a *API) checkKey(ps *Problems) {
	_, err := validation.ParseSID(a.Key, "SK")
	switch given := !a.Secret.IsZero() || a.SecretFile != ""; {
	case a.Key == "" && given:
		ps.Add("TWILIO_API_KEY", "is not given, but its secret is", "give the key's SID, SK and 32 hexadecimal digits")
	case a.Key != "" && err != nil:
		ps.Add("TWILIO_API_KEY", "is not the SID of an API key", "give SK and 32 hexadecimal digits, as the Twilio console shows it")
	case a.Key != "" && !given:
		ps.Add(apiSecret, "is not given, but its key is", "set it in the environment, or name a file with "+apiSecret+"_FILE")
	}
	if a.Key != "" && a.CredentialsFile != "" {
		ps.Add("TWILIO_API_KEY", "is given together with ROLLCALL_CREDENTIALS_FILE", "give one of the two; the file can hold the key")
	}
}

// hostLabel is one part of a host name.
var hostLabel = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func checkLabel(ps *Problems, setting, value, example string) {
	if value != "" && !hostLabel.MatchString(value) {
		ps.Add(setting, "is not part of a host name", "give a name such as "+example)
	}
}

func checkBaseURL(ps *Problems, setting, value string) {
	if value == "" {
		return // Twilio's own
	}
	if err := participants.CheckBaseURL(value); err != nil {
		ps.Add(setting, err.Error(), "give a base URL such as http://127.0.0.1:9000, without user, query or fragment")
	}
}

// Book reads the files and returns the accounts. A credentials file is read again only while the Book's Run runs.
func (a *API) Book(log *slog.Logger) (*credentials.Book, error) {
	api, flaws := a.credentials()
	if err := flaws.Err(); err != nil {
		return nil, err
	}
	return a.book(api, log)
}

// credentials are the API key, else the auth token with the account's SID as the user name, which
// is empty when the token stands for any account.
func (a *API) credentials() (*participants.Credentials, Problems) {
	if a.Key != "" {
		secret, flaws := a.secret()
		return &participants.Credentials{Username: a.Key, Password: secret}, flaws
	}
	token, flaws := a.token()
	return &participants.Credentials{Username: a.SID, Password: token}, flaws
}

// Client returns the configuration of the participants client.
func (a *API) Client() participants.Config {
	return participants.Config{
		ConversationsURL: a.base(a.ConversationsURL, "conversations"),
		FlexURL:          a.base(a.FlexURL, "flex-api"),
	}
}

// base returns given, else the product's host, built as Twilio's helper libraries do:
// <product>.<edge>.<region>.twilio.com, where an edge implies the region us1.
func (a *API) base(given, product string) string {
	if given != "" {
		return given
	}
	labels, region := []string{product}, a.Region
	if a.Edge != "" {
		labels = append(labels, a.Edge)
	}
	if region == "" && a.Edge != "" {
		region = "us1"
	}
	if region != "" {
		labels = append(labels, region)
	}
	return "https://" + strings.Join(append(labels, "twilio.com"), ".")
}
