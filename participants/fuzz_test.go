package participants

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Run short fuzzing with -fuzzminimizetime=1x: go test minimises what it finds for up to a minute without counting
// that as executions, and on seeds as large as a whole page a short run can pass having tried next to nothing.

func FuzzDecodeConversationPage(f *testing.F) {
	fuzzPage(f, "_conversation_", conversationPage(askedConversation))
}

func FuzzDecodeChannelPage(f *testing.F) {
	fuzzPage(f, "_channel_", channelPage(askedChannel))
}

func FuzzDecodeOrchestratorPage(f *testing.F) {
	fuzzPage(f, "_orchestrator_page", orchestratorPage(askedV2))
}

func FuzzDecodeOrchestratorParticipant(f *testing.F) {
	fuzzPage(f, "_orchestrator_", func(body []byte, r *report) page {
		return page{participants: []Participant{decodeOrchestratorParticipant(body, askedExample, r)}}
	})
}

// fuzzPage checks that decode never panics, that what it accepts has identifiers, and that
// it can be published, read and published again as the same bytes.
func fuzzPage(f *testing.F, files string, decode func([]byte, *report) page) {
	f.Helper()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(name, files) {
			continue
		}
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r report
		p := decode(body, &r)
		if len(r.problems) > 0 {
			return
		}
		for _, one := range p.participants {
			if one.ID == "" {
				t.Error("a participant without an identifier was accepted")
			}
		}
		checkRoundTrip(t, p.participants)
	})
}

func checkRoundTrip(t *testing.T, accepted []Participant) {
	t.Helper()
	published, err := json.Marshal(accepted)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	var read []Participant
	if err := json.Unmarshal(published, &read); err != nil {
		t.Fatalf("read again: %v", err)
	}
	again, err := json.Marshal(read)
	if err != nil {
		t.Fatalf("publish again: %v", err)
	}
	if !bytes.Equal(published, again) {
		t.Errorf("published again: got %s, want %s", again, published)
	}
}

// FuzzCleanMessage checks that nothing but Twilio's usual words and the mark for others comes out.
func FuzzCleanMessage(f *testing.F) {
	f.Add("The requested resource /v1/Conversations/CHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa was not found")
	f.Add("User 'alice@example.com' (+15558675310) already exists")
	f.Fuzz(func(t *testing.T, message string) {
		for word := range strings.FieldsSeq(cleanMessage(message)) {
			if word != elided && !isUsual(strings.ToLower(strings.Trim(word, ".,:;!?()"))) {
				t.Errorf("got %q in a cleaned message, want usual words alone", word)
			}
		}
	})
}

func FuzzFollowURL(f *testing.F) {
	list := mustParse(f, "https://conversations.twilio.com/v1/Conversations/"+theConversation+"/Participants")
	f.Add(list.String() + "?PageSize=100&Page=1&PageToken=PA1")
	f.Add("https://conversations.twilio.com:443@evil.example" + list.Path)
	f.Add("//evil.example" + list.Path)
	f.Fuzz(func(t *testing.T, next string) {
		query, err := followURL(list, nil, next)
		if err != nil {
			return
		}
		target := withQuery(list, query.Encode())
		if target.Host != list.Host || target.Path != list.Path || target.Scheme != list.Scheme {
			t.Errorf("next page of the list: got %s, want it at %s", target, list)
		}
	})
}
