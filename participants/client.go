package participants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Credentials are what an account authenticates to the API with: an API key and its
// secret, or the account's SID and auth token.
type Credentials struct {
	Username string            // SK… or AC…
	Password validation.Secret // the key's secret or the auth token
}

// Client calls the participants APIs, with one attempt per call: a call fails with an *Error, which tells why, and how soon
// Twilio wants to be asked again. Whether to ask again is the caller's to decide. It is safe for concurrent use.
type Client struct {
	conversations   *url.URL
	flex            *url.URL
	v1Conversations *url.URL // conversations, with /v1/Conversations
	v1Services      *url.URL // conversations, with /v1/Services
	http            *http.Client
	ownTimeouts     bool // http is the caller's
	maxBody         int64
	userAgent       string
	onUnexpected    func(API, string)
	services        servicePaths
	now             func() time.Time
}

// New returns a Client, or an error that names every setting of cfg that is wrong.
func New(cfg Config) (*Client, error) {
	ownTimeouts := cfg.HTTPClient != nil
	cfg = cfg.withDefaults()
	conversations, flex, badBase := cfg.parseBases()
	if err := errors.Join(badBase, cfg.checkLimits()); err != nil {
		return nil, fmt.Errorf("participants client: %w", err)
	}
	return &Client{
		conversations:   conversations,
		flex:            flex,
		v1Conversations: conversations.JoinPath("v1", "Conversations"),
		v1Services:      conversations.JoinPath("v1", "Services"),
		http:            withoutRedirects(cfg.HTTPClient),
		ownTimeouts:     ownTimeouts,
		maxBody:         cfg.MaxBody,
		userAgent:       cfg.UserAgent,
		onUnexpected:    cfg.OnUnexpected,
		now:             time.Now,
	}, nil
}

// The queries of first pages, with the largest page sizes that the APIs document. They are read-only.
var (
	conversationQuery = url.Values{"PageSize": {"100"}}
	channelQuery      = url.Values{"PageSize": {"1000"}}
	v2Query           = url.Values{"pageSize": {"1000"}}
)

// ListConversation returns all participants of a v1 conversation (CH…), in Twilio's order:
//
//	GET /v1/Conversations/{conversation}/Participants
//
// When service (IS…) is not empty and this plain path answers 404, the list is read from
// /v1/Services/{service}/Conversations/{conversation}/Participants instead. The Client remembers which of
// the two paths answered, and tries it first for that service from then on. When both answer 404, the error is that of
// the plain path. An empty list is not nil.
func (c *Client) ListConversation(ctx context.Context, cred Credentials, conversation, service validation.SID) ([]Participant, error) {
	l := listing{
		operation: "list conversation participants",
		cred:      cred,
		query:     conversationQuery,
		maxPages:  maxConversationPages,
		decode:    conversationPage(asked{conversation: string(conversation), account: account(cred)}),
		follow:    followURL,
	}
	if err := checkArguments(l.operation, argument{"conversation", conversation, validation.PrefixConversation}, argument{"service", service, validation.PrefixChatService}); err != nil {
		return nil, err
	}
	plain := below(c.v1Conversations, string(conversation), "Participants")
	if service == "" {
		return c.list(ctx, l, plain)
	}
	ofService := below(c.v1Services, string(service), "Conversations", string(conversation), "Participants")
	return c.listEither(ctx, l, service, plain, ofService)
}

// ListChannel returns all participants of a channel (UO…) of a Flex interaction (KD…), in Twilio's order:
//
//	GET /v1/Interactions/{interaction}/Channels/{channel}/Participants
//
// An empty list is not nil.
func (c *Client) ListChannel(ctx context.Context, cred Credentials, interaction, channel validation.SID) ([]Participant, error) {
	l := listing{
		operation: "list channel participants",
		cred:      cred,
		query:     channelQuery,
		maxPages:  maxPages,
		decode:    channelPage(asked{interaction: string(interaction), channel: string(channel)}),
		follow:    followURL,
	}
	if err := checkArguments(l.operation, argument{"interaction", interaction, validation.PrefixInteraction}, argument{"channel", channel, validation.PrefixChannel}); err != nil {
		return nil, err
	}
	return c.list(ctx, l, c.flex.JoinPath("v1", "Interactions", segment(interaction), "Channels", segment(channel), "Participants"))
}

// ListV2 returns all participants of a v2 conversation, in Twilio's order:
//
//	GET /v2/Conversations/{conversation}/Participants
//
// An empty list is not nil.
func (c *Client) ListV2(ctx context.Context, cred Credentials, conversation validation.V2ID) ([]Participant, error) {
	l := listing{
		operation: "list v2 participants",
		cred:      cred,
		query:     v2Query,
		maxPages:  maxPages,
		decode:    orchestratorPage(asked{conversation: string(conversation), account: account(cred)}),
		follow:    followToken,
	}
	if err := checkV2Arguments(l.operation, v2Argument{"conversation", conversation}); err != nil {
		return nil, err
	}
	return c.list(ctx, l, c.conversations.JoinPath("v2", "Conversations", segment(conversation), "Participants"))
}

// FetchV2 returns one participant of a v2 conversation:
//
//	GET /v2/Conversations/{conversation}/Participants/{participant}
func (c *Client) FetchV2(ctx context.Context, cred Credentials, conversation, participant validation.V2ID) (Participant, error) {
	const operation = "fetch v2 participant"
	if err := checkV2Arguments(operation, v2Argument{"conversation", conversation}, v2Argument{"participant", participant}); err != nil {
		return Participant{}, err
	}
	a, err := c.get(ctx, operation, cred, c.conversations.JoinPath("v2", "Conversations", segment(conversation), "Participants", segment(participant)))
	if err != nil {
		return Participant{}, err
	}
	defer a.release()
	want := asked{conversation: string(conversation), participant: string(participant), account: account(cred)}
	r := report{api: Orchestrator, unexpected: c.onUnexpected}
	fetched := decodeOrchestratorParticipant(a.body, want, &r)
	if len(r.problems) > 0 {
		return Participant{}, a.broken(operation, r.problems)
	}
	return fetched, nil
}

// CloseIdleConnections closes the connections that no call is using. The Client stays usable.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// account returns the account that answers to cred must be about; "" for an API key, which does not tell.
func account(cred Credentials) string {
	if !validation.IsSID(cred.Username, validation.PrefixAccount) {
		return ""
	}
	return cred.Username
}

// below is base.JoinPath, but faster, for segments that need no escaping, such as a SID that was checked.
func below(base *url.URL, segments ...string) *url.URL {
	u, path := *base, "/"+strings.Join(segments, "/")
	u.Path += path
	if u.RawPath != "" {
		u.RawPath += path
	}
	return &u
}

// segment escapes an identifier for a path, to be safe: one that was checked needs no escaping.
func segment[T ~string](id T) string { return url.PathEscape(string(id)) }
