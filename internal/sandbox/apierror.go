package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Twilio's error codes that the fake uses.
const (
	codeInvalidParameter = 20001
	codeAuthenticate     = 20003
	codeMethod           = 20004
	codeNotFound         = 20404
	codeTooMany          = 20429
	codeServer           = 20500
	codeUnavailable      = 20503
	codePageToken        = 70002
)

// standardHeader on a request asks the v2 API for errors in the shape of Twilio's API
// standards, rather than in the one that its reference documents.
const standardHeader = "X-Twilio-ApiVersion"

// plainError is the body of an error of the v1, Flex and v2 APIs.
type plainError struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

// standardError is the body of an error under Twilio's API standards v1.0.
type standardError struct {
	Code           int            `json:"code"`
	Message        string         `json:"message"`
	HTTPStatusCode int            `json:"httpStatusCode"`
	Params         map[string]any `json:"params"`
	UserError      bool           `json:"userError"`
}

// errorShape is which of the two bodies an error has.
type errorShape string

const (
	shapePlain    errorShape = "plain"
	shapeStandard errorShape = "standard"
)

func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, http.StatusNotFound, codeNotFound, fmt.Sprintf("The requested resource %s was not found", r.URL.Path))
}

// writeError answers r in the shape that its API uses.
func writeError(w http.ResponseWriter, r *http.Request, status, code int, message string) {
	shape := shapePlain
	if strings.HasPrefix(r.URL.Path, "/v2/") && r.Header.Get(standardHeader) != "" {
		shape = shapeStandard
	}
	writeShapedError(w, shape, status, code, message)
}

func writeShapedError(w http.ResponseWriter, shape errorShape, status, code int, message string) {
	if shape == shapeStandard {
		w.Header().Set(standardHeader, "v1.0")
		writeJSON(w, status, standardError{
			Code: code, Message: message, HTTPStatusCode: status,
			Params: map[string]any{}, UserError: status < http.StatusInternalServerError,
		})
		return
	}
	writeJSON(w, status, plainError{
		Code: code, Message: message, Status: status,
		MoreInfo: fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code),
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // it fails only if the caller has gone
}
