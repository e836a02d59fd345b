package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
)

// edited writes a 200 answer as edit returns it, and any other unchanged.
type edited struct {
	http.ResponseWriter
	edit   func(body []byte) []byte
	status int
}

// WriteHeader implements http.ResponseWriter.
func (e *edited) WriteHeader(status int) {
	e.status = status
	e.ResponseWriter.WriteHeader(status)
}

func (e *edited) Write(b []byte) (int, error) {
	whole := b
	if e.status == http.StatusOK {
		whole = e.edit(b)
	}
	if n, err := e.ResponseWriter.Write(whole); err != nil {
		return min(n, len(b)), err
	}
	return len(b), nil
}

// edit returns body, the usual answer to r, changed as f says.
func (f Fault) edit(r *http.Request, body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var whole map[string]any
	if d.Decode(&whole) != nil {
		return body
	}
	if meta, ok := whole["meta"].(map[string]any); ok && f.NextPage != "" {
		f.setNext(r, meta)
	}
	for _, p := range shownIn(whole) {
		f.Wrong.spoil(p)
	}
	if changed, err := json.Marshal(whole); err == nil {
		return changed
	}
	return body
}

// shownIn returns the participants in an answer: those of a list, or the only one.
func shownIn(whole map[string]any) []map[string]any {
	list, ok := whole["participants"].([]any)
	if !ok {
		return []map[string]any{whole}
	}
	var all []map[string]any
	for _, item := range list {
		if p, ok := item.(map[string]any); ok {
			all = append(all, p)
		}
	}
	return all
}

// spoil makes identifiers of p wrong, whatever its API calls them.
func (w Wrong) spoil(p map[string]any) {
	set := func(value string, names ...string) {
		for _, name := range names {
			if _, ok := p[name]; ok {
				p[name] = value
			}
		}
	}
	switch w {
	case WrongAccount:
		set(string(SID("AC", "foreign")), "account_sid", "accountId")
	case WrongConversation:
		set(string(SID("CH", "foreign")), "conversation_sid")
		set(string(SID("UO", "foreign")), "channel_sid")
		set(string(V2ID("conv_conversation", "foreign")), "conversationId")
	case WrongParticipant:
		set(string(V2ID("conv_participant", "foreign")), "id")
		if sid, ok := p["sid"].(string); ok && len(sid) > 2 {
			set(sid[:2]+string(SID("", "foreign")), "sid")
		}
	case WrongFormat:
		set("not an identifier", "sid", "id")
	}
}

// setNext changes the link to the next page in meta, which is from the answer to r.
func (f Fault) setNext(r *http.Request, meta map[string]any) {
	if _, tokens := meta["nextToken"]; tokens {
		meta["nextToken"] = f.nextToken(r.URL.Query().Get("pageToken"))
		return
	}
	token := r.URL.Query().Get("PageToken")
	switch f.NextPage {
	case NextSelf:
		meta["next_page_url"] = meta["url"]
	case NextEndless:
		u, err := url.Parse(selfURL(r))
		if err != nil {
			return
		}
		query := r.URL.Query()
		query.Set("PageToken", f.nextToken(token))
		u.RawQuery = query.Encode()
		meta["next_page_url"] = u.String()
	default:
		meta["next_page_url"] = f.NextPage
	}
}

// nextToken returns the token of the next page after the one that token, or "" for the first, is for.
func (f Fault) nextToken(token string) string {
	switch f.NextPage {
	case NextSelf:
		if token == "" {
			return pageToken(0)
		}
		return token
	case NextEndless: // one more zero each time: a new token for the same page
		plain, _ := plainToken(token)
		return encodeToken("0" + plain)
	default:
		return f.NextPage
	}
}

// shifted returns r as a request for the page that it would get if f.Shift participants had joined at the front of
// the list since the page before.
func (f Fault) shifted(r *http.Request) *http.Request {
	query := r.URL.Query()
	for _, name := range []string{"PageToken", "pageToken"} {
		offset, ok := readPageToken(query.Get(name))
		if f.Shift == 0 || !ok {
			continue
		}
		query.Set(name, pageToken(max(0, offset-f.Shift)))
		moved, u := r.WithContext(r.Context()), *r.URL // a copy
		u.RawQuery = query.Encode()
		moved.URL = &u
		return moved
	}
	return r
}
