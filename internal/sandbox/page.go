package sandbox

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const defaultPage = 50

// pageMeta is the paging of a v1 or Flex list.
type pageMeta struct {
	Key             string   `json:"key"`
	URL             string   `json:"url"`
	Page            int      `json:"page"`
	PageSize        int      `json:"page_size"`
	NextPageURL     Nullable `json:"next_page_url"`
	FirstPageURL    string   `json:"first_page_url"`
	PreviousPageURL Nullable `json:"previous_page_url"`
}

// writePage answers r with the page of all that it asks for. It refuses a PageSize outside 1 to most,
// and a Page after the first without a PageToken.
func writePage[P any](w http.ResponseWriter, r *http.Request, all []P, most int, show func(P) any) {
	at, problem := readPaging(r, most)
	if problem != nil {
		writeError(w, r, http.StatusBadRequest, problem.code, problem.message)
		return
	}
	shown := make([]any, 0, at.size)
	for _, p := range window(all, at.offset, at.size) {
		shown = append(shown, show(p))
	}
	writeJSON(w, http.StatusOK, map[string]any{"meta": metaOf(r, at, len(all)), "participants": shown})
}

// paging is the part of a list that was asked for.
type paging struct{ size, page, offset int }

type pagingProblem struct {
	code    int
	message string
}

func readPaging(r *http.Request, most int) (paging, *pagingProblem) {
	query := r.URL.Query()
	size, ok := intWithin(query.Get("PageSize"), defaultPage, 1, most)
	if !ok {
		return paging{}, &pagingProblem{codeInvalidParameter, fmt.Sprintf("PageSize must be between 1 and %d", most)}
	}
	page, ok := intWithin(query.Get("Page"), 0, 0, 1<<30)
	if !ok {
		return paging{}, &pagingProblem{codeInvalidParameter, "Page must be a number of 0 or more"}
	}
	token := query.Get("PageToken")
	if token == "" {
		if page > 0 {
			return paging{}, &pagingProblem{codePageToken, "Paged requests must include a PageToken"}
		}
		return paging{size: size}, nil
	}
	offset, ok := readPageToken(token)
	if !ok {
		return paging{}, &pagingProblem{codeInvalidParameter, "Invalid PageToken"}
	}
	return paging{size: size, page: page, offset: offset}, nil
}

// intWithin reads s, or fallback when it is empty, and reports whether it is from low to high.
func intWithin(s string, fallback, low, high int) (int, bool) {
	if s == "" {
		return fallback, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= low && n <= high
}

func metaOf(r *http.Request, at paging, total int) pageMeta {
	meta := pageMeta{
		Key:          "participants",
		URL:          pageURL(r, at.size, at.page, r.URL.Query().Get("PageToken")),
		Page:         at.page,
		PageSize:     at.size,
		FirstPageURL: pageURL(r, at.size, 0, ""),
	}
	if at.offset+at.size < total {
		meta.NextPageURL = Nullable(pageURL(r, at.size, at.page+1, pageToken(at.offset+at.size)))
	}
	if at.page > 0 {
		meta.PreviousPageURL = Nullable(pageURL(r, at.size, at.page-1, pageToken(max(0, at.offset-at.size))))
	}
	return meta
}

func pageURL(r *http.Request, size, page int, token string) string {
	u := fmt.Sprintf("%s?PageSize=%d&Page=%d", selfURL(r), size, page)
	if token != "" {
		u += "&PageToken=" + url.QueryEscape(token)
	}
	return u
}

// selfURL is the URL that r was sent to, without its query.
func selfURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.EscapedPath()
}

func window[P any](all []P, offset, size int) []P {
	low := min(offset, len(all))
	return all[low:min(low+size, len(all))]
}

// tokenMark begins every token. In base64 it has "+" and "/", so that tokens must be escaped in a query.
const tokenMark = "\xfb\xff\xbf:"

// pageToken returns the token of the page that begins at offset.
func pageToken(offset int) string {
	return encodeToken(strconv.Itoa(offset))
}

func encodeToken(digits string) string {
	return base64.StdEncoding.EncodeToString([]byte(tokenMark + digits))
}

func readPageToken(token string) (int, bool) {
	digits, ok := plainToken(token)
	if !ok {
		return 0, false
	}
	offset, err := strconv.Atoi(digits)
	return offset, err == nil && offset >= 0
}

// plainToken returns the digits that a token holds.
func plainToken(token string) (string, bool) {
	plain, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(plain), tokenMark)
}
