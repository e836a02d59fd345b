package validation_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rollcall-events/rollcall/validation"
)

func ExampleVerifier_Verify() {
	verifier, err := validation.NewVerifier([]string{"https://mycompany.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := validation.Request{
		Method:      http.MethodPost,
		Target:      "/myapp.php?foo=1&bar=2", // http.Request.RequestURI
		ContentType: "application/x-www-form-urlencoded",
		Signature:   "IK+Dwps556ElfBT0I3Rgjkr1wJU=", // the X-Twilio-Signature header
		Body:        []byte("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"),
	}
	rotation := []validation.Secret{validation.NewSecret("the next token"), validation.NewSecret("12345")}
	fmt.Println(verifier.Verify(request, rotation))

	request.Body = append(request.Body, "&Digits=9"...)
	_, err = verifier.Verify(request, rotation)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// signature matches no configured key and public URL
}

func ExampleParseSID() {
	sid, err := validation.ParseSID("CH0123456789abcdef0123456789abcdef", validation.PrefixConversation)
	fmt.Println(sid, sid.Prefix(), err)

	_, err = validation.ParseSID("CH.*.>")
	fmt.Println(errors.Is(err, validation.ErrIdentifier))
	// Output:
	// CH0123456789abcdef0123456789abcdef CH <nil>
	// true
}

func ExampleStruct() {
	type participant struct {
		SID        validation.SID `json:"sid" validate:"sid=MB"`
		Attributes string         `json:"attributes" validate:"omitempty,jsontext"`
	}
	err := validation.Struct(participant{SID: "somebody", Attributes: "{"})
	fmt.Println(err)
	// Output:
	// sid: sid=MB; attributes: jsontext
}
