package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// faultsFlag is a list of faults in JSON, or "@" and the name of a file that holds one.
type faultsFlag []sandbox.Fault

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *faultsFlag) UnmarshalText(text []byte) error {
	if name, ok := strings.CutPrefix(string(text), "@"); ok {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return fmt.Errorf("read faults: %w", err)
		}
	}
	return json.Unmarshal(text, (*[]sandbox.Fault)(f))
}

// faultsHelp documents the JSON of sandbox.Fault.
const faultsHelp = `A fault is for the requests that all of these match:
  path          is part of their path
  account       the account whose credentials they carry
  concurrency   5: those beyond five of one account at once, as with Twilio's own limit (429 with code 20429)
  every         3: each third of them
  times         2: two of them, then the fault is spent
and does to them:
  latency       "250ms": wait first
  hang          true: never answer
  status, code  answer so; "standard": true has the body of Twilio's API standards
  retry_after   "7", a date, or "+7s": the date in 7 s
  body          answer with this text, and content_type
  truncate      true: half an answer, then a cut connection; with hang, silence
  wrong         "account", "conversation", "participant" or "format": wrong identifiers
  next_page     "self": a loop; "endless"; or any link, such as one to another host
  shift         5: five people join before each further page of a list; -5: they leave
A request meets the first fault that is for it:
  [{"concurrency":5,"retry_after":"2"},{"path":"/v1/","every":4,"status":503},{"latency":"200ms"}]`
