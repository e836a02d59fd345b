package participants

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The base URLs that an empty Config means.
const (
	DefaultConversationsURL = "https://conversations.twilio.com"
	DefaultFlexURL          = "https://flex-api.twilio.com"
)

const (
	defaultMaxBody = 16 << 20
	largestMaxBody = 1 << 30
)

// Config is where the API is and how much of an answer is read. The zero value
// of each field means its default.
type Config struct {
	// ConversationsURL and FlexURL are base URLs: http or https, without userinfo, query or
	// fragment. A regional host or a stand-in must name itself in the next_page_url of its answers:
	// a link to any other host is refused.
	ConversationsURL string // default DefaultConversationsURL
	FlexURL          string // default DefaultFlexURL

	HTTPClient *http.Client // copied; its redirect policy and cookies are not used; default: a client of our own, 30 s a request
	MaxBody    int64        // bytes of one answer, one page of a list, after decompression; default 16 MiB, at most 1 GiB
	UserAgent  string       // default "rollcall/<version>"

	// OnUnexpected, when set, is told of each thing in an answer that Twilio's page does not
	// document: field is one of the Unexpected constants, never anything that came from outside, so that
	// both arguments are fit for metric labels. It must be safe for concurrent use and must not block.
	OnUnexpected func(api API, field string)
}

// What Config.OnUnexpected is told of: a closed list.
const (
	UnexpectedType             = "type"              // a participant's type that its page does not list; passed on as it is
	UnexpectedParticipantField = "participant_field" // an undocumented field of a participant; kept in Participant.Extra
	UnexpectedAddressField     = "address_field"     // an undocumented field of an address or messaging_binding; kept in Address.Extra
)

// withDefaults fills in what is not set.
func (cfg Config) withDefaults() Config {
	if cfg.ConversationsURL == "" {
		cfg.ConversationsURL = DefaultConversationsURL
	}
	if cfg.FlexURL == "" {
		cfg.FlexURL = DefaultFlexURL
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = newHTTPClient()
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = userAgent()
	}
	if cfg.OnUnexpected == nil {
		cfg.OnUnexpected = func(API, string) {}
	}
	return cfg
}

// checkLimits reports every setting, but the URLs, that is out of its range.
func (cfg Config) checkLimits() error {
	var problems []error
	if cfg.MaxBody < 0 || cfg.MaxBody > largestMaxBody {
		problems = append(problems, fmt.Errorf("MaxBody: must be between 1 and %d bytes", largestMaxBody))
	}
	if strings.ContainsFunc(cfg.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, errors.New("UserAgent: must be printable ASCII"))
	}
	return errors.Join(problems...)
}

// parseBase reads a base URL. The errors do not repeat it: it may hold a password by mistake.
func parseBase(setting, raw string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(raw, "/") + "/") // a path joined to none would not begin with a slash
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: not a URL", setting)
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Errorf("%s: must begin with http:// or https://", setting)
	case base.Hostname() == "":
		return nil, fmt.Errorf("%s: names no host", setting)
	case base.User != nil:
		return nil, fmt.Errorf("%s: must not carry credentials", setting)
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, fmt.Errorf("%s: must have neither query nor fragment", setting)
	}
	base.Host = strings.TrimSuffix(base.Host, ":") // an empty port
	return base, nil
}
