package ingest

import (
	"errors"
	"net/http"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/validation"
)

const (
	signatureHeader   = "X-Twilio-Signature"
	idempotencyHeader = "I-Twilio-Idempotency-Token"
)

// trust is the one way from untrusted bytes to a delivery that may be believed. It returns the delivery, or
// else why not (refused is "" then and only then). Nothing of the body is believed
// before its signature is found good, nor is any header that a sender could set to seem another. turn is what the
// request takes of what all share; the caller gives it back.
func (s *Service) trust(w http.ResponseWriter, r *http.Request, rt route, arrived time.Time, turn *turn) (d events.Delivery, refused outcome) {
	if !rt.allows(r.Method) {
		return d, badMethod
	}
	contentType, ok := rt.contentType(r)
	if !ok {
		return d, badMedia
	}
	signature, refused := theSignature(r.Header)
	if refused != "" {
		return d, refused
	}
	var body []byte
	if r.Method != http.MethodGet { // a GET says all in its query, and its body is never read
		if body, refused = s.readBody(w, r, arrived.Add(s.cfg.BodyTimeout), &turn.large); refused != "" {
			return d, refused
		}
	}
	req := validation.Request{Method: r.Method, Target: r.RequestURI, ContentType: contentType, Signature: signature, Body: body}
	if !turn.reading.take(arrived.Add(s.cfg.BodyTimeout)) {
		return d, s.overloadedBy(rt, req)
	}
	turn.began = s.now()
	signer, refused := s.verify(req)
	return events.Delivery{
		Feed: rt.feed, Method: r.Method, ContentType: contentType, Query: r.URL.RawQuery, Body: body,
		IdempotencyToken: theOnly(r.Header, idempotencyHeader), Signer: signer, ReceivedAt: arrived,
	}, refused
}

// theSignature refuses several signatures: a proxy might check one of them, and we another.
func theSignature(h http.Header) (string, outcome) {
	switch signature := theOnly(h, signatureHeader); {
	case len(h.Values(signatureHeader)) > 1:
		return "", forged
	case signature == "":
		return "", unsigned
	default:
		return signature, ""
	}
}

func theOnly(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// verify returns the accounts that the signing key belongs to. The caller has the room to read req.
func (s *Service) verify(req validation.Request) ([]validation.SID, outcome) {
	keys, accounts := s.keys.Signers()
	tried := candidates(req, keys, accounts)
	i, err := s.verifier.Verify(req, tried)
	switch {
	case err == nil:
		return accountsOf(tried[i], keys, accounts), ""
	case errors.Is(err, validation.ErrBodyHashMissing):
		return nil, unhashed
	case errors.Is(err, validation.ErrBodyHashMismatch):
		return nil, altered
	default:
		return nil, forged
	}
}

// accountsOf returns every account that key signs for: accounts may share one.
func accountsOf(key validation.Secret, keys []validation.Secret, accounts []validation.SID) (signer []validation.SID) {
	for i, k := range keys {
		if k == key {
			signer = append(signer, accounts[i])
		}
	}
	return signer
}
