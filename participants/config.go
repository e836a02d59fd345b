package participants

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The default base URLs.
const (
	DefaultConversationsURL = "https://conversations.twilio.com"
	DefaultFlexURL          = "https://flex-api.twilio.com"
)

const (
	defaultMaxBody   = 16 << 20
	largestMaxBody   = 1 << 30
	defaultIdleConns = 64
)

// Config says where the APIs are and how to call them. The zero value of each field means its default.
type Config struct {
	// ConversationsURL and FlexURL are base URLs: http or https, without userinfo, query or
	// fragment. The next_page_url of an answer must be on the same host, since a link to any
	// other is refused; that holds for a proxy or a fake of the API too.
	ConversationsURL string // default DefaultConversationsURL
	FlexURL          string // default DefaultFlexURL

	HTTPClient *http.Client // copied, without its redirect policy and cookies; default: one that gives a request 30 s if its context has no deadline
	IdleConns  int          // connections that the default HTTPClient keeps to each host, best as many as calls are made at once; default 64
	MaxBody    int64        // bytes of one answer (one page of a list), decompressed; default 16 MiB, at most 1 GiB
	UserAgent  string       // printable ASCII; default "rollcall/<version>"

	// OnUnexpected, if set, is called for everything in an answer that Twilio does not document. field is
	// one of the Unexpected constants, and nothing that came from outside, so that both arguments are fit
	// for metric labels. It must be safe for concurrent use and must not block.
	OnUnexpected func(api API, field string)
}

// The fields that Config.OnUnexpected is called with: a closed list, UnexpectedFields.
const (
	UnexpectedType             = "type"              // an undocumented type of participant; kept as it is
	UnexpectedParticipantField = "participant_field" // an undocumented field of a participant; kept in Participant.Extra
	UnexpectedAddressField     = "address_field"     // an undocumented field of an address or messaging_binding; kept in Address.Extra
)

// UnexpectedFields returns all of them.
func UnexpectedFields() []string {
	return []string{UnexpectedType, UnexpectedParticipantField, UnexpectedAddressField}
}

// withDefaults returns cfg with its defaults filled in.
func (cfg Config) withDefaults() Config {
	if cfg.ConversationsURL == "" {
		cfg.ConversationsURL = DefaultConversationsURL
	}
	if cfg.FlexURL == "" {
		cfg.FlexURL = DefaultFlexURL
	}
	if cfg.IdleConns == 0 {
		cfg.IdleConns = defaultIdleConns
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = newHTTPClient(cfg.IdleConns)
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

// checkLimits reports every setting that is wrong, except the URLs.
func (cfg Config) checkLimits() error {
	var problems []error
	if cfg.MaxBody < 0 || cfg.MaxBody > largestMaxBody {
		problems = append(problems, fmt.Errorf("MaxBody: must be between 1 and %d bytes", largestMaxBody))
	}
	if cfg.IdleConns < 0 {
		problems = append(problems, errors.New("IdleConns: must not be negative"))
	}
	if strings.ContainsFunc(cfg.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, errors.New("UserAgent: must be printable ASCII"))
	}
	return errors.Join(problems...)
}

// CheckBaseURL returns what is wrong with raw as the ConversationsURL or the FlexURL of a Config, nil if nothing is; "" is wrong. The error
// does not quote raw, which may hold a password by mistake.
func CheckBaseURL(raw string) error {
	_, err := parseBase(raw)
	return err
}

// parseBase parses a base URL. Its errors are CheckBaseURL's.
func parseBase(raw string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(raw, "/") + "/") // without a path, JoinPath would return one without a leading slash
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("names no host")
	case base.User != nil:
		return nil, errors.New("must not carry credentials")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, errors.New("must have neither query nor fragment")
	}
	base.Host = strings.TrimSuffix(base.Host, ":") // an empty port
	return base, nil
}

// parseBases parses both base URLs; the error names the fields.
func (cfg Config) parseBases() (conversations, flex *url.URL, err error) {
	conversations, badConversations := parseBase(cfg.ConversationsURL)
	if badConversations != nil {
		badConversations = fmt.Errorf("ConversationsURL: %w", badConversations)
	}
	flex, badFlex := parseBase(cfg.FlexURL)
	if badFlex != nil {
		badFlex = fmt.Errorf("FlexURL: %w", badFlex)
	}
	return conversations, flex, errors.Join(badConversations, badFlex)
}
