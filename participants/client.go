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

// Credentials are what one account calls the API with: an API key and its
// secret, or the account SID and its auth token.
type Credentials struct {
	Username string
	Password validation.Secret
}

// Client calls the participants APIs. One attempt a call: retrying is the
// caller's policy. It is safe for concurrent use.
type Client struct {
	conversations *url.URL
	flex          *url.URL
	v1, services1 *url.URL // of the Conversations, and of their services
	http          *http.Client
	maxBody       int64
	userAgent     string
	onUnexpected  func(API, string)
	services      servicePaths
	now           func() time.Time
}

// New checks cfg, reporting all that is wrong with it at once, and returns a Client.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	conversations, badConversations := parseBase("ConversationsURL", cfg.ConversationsURL)
	flex, badFlex := parseBase("FlexURL", cfg.FlexURL)
	if err := errors.Join(badConversations, badFlex, cfg.checkLimits()); err != nil {
		return nil, fmt.Errorf("participants client: %w", err)
	}
	return &Client{
		conversations: conversations,
		flex:          flex,
		v1:            conversations.JoinPath("v1", "Conversations"),
		services1:     conversations.JoinPath("v1", "Services"),
		http:          withoutRedirects(cfg.HTTPClient),
		maxBody:       cfg.MaxBody,
		userAgent:     cfg.UserAgent,
		onUnexpected:  cfg.OnUnexpected,
		now:           time.Now,
	}, nil
}

// The queries of first pages: read only.
var (
	conversationQuery = url.Values{"PageSize": {"100"}}
	channelQuery      = url.Values{"PageSize": {"1000"}}
	v2Query           = url.Values{"pageSize": {"1000"}}
)

// ListConversation returns all participants of a v1 conversation. When service is not
// empty, a 404 on the plain path is tried once more below the service's path, and
// the Client remembers for that service which one answered. When both answer 404, the
// error is that of the plain path. The slice is never nil without an error.
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
	plain := below(c.v1, string(conversation), "Participants")
	if service == "" {
		return c.list(ctx, l, plain)
	}
	ofService := below(c.services1, string(service), "Conversations", string(conversation), "Participants")
	return c.listEither(ctx, l, service, plain, ofService)
}

// ListChannel returns all participants of a Flex interaction channel. The slice is never nil without an error.
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

// ListV2 returns all participants of a v2 conversation. The slice is never nil without an error.
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

// FetchV2 returns one participant of a v2 conversation.
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

// CloseIdleConnections closes the connections that no call uses. The Client can be used on.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// account returns the account that cred must answer for, or "" when it is called by an API key,
// which does not say.
func account(cred Credentials) string {
	if !validation.IsSID(cred.Username, validation.PrefixAccount) {
		return ""
	}
	return cred.Username
}

// below returns the URL of what is below base. It is JoinPath for segments that need no escaping, such as a SID that was checked.
func below(base *url.URL, segments ...string) *url.URL {
	u, path := *base, "/"+strings.Join(segments, "/")
	u.Path += path
	if u.RawPath != "" {
		u.RawPath += path
	}
	return &u
}

// segment escapes an identifier for a path, even though one that was checked needs it not.
func segment[T ~string](id T) string { return url.PathEscape(string(id)) }
