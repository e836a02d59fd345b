package participants

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	askedConversation = asked{conversation: theConversation, account: theAccount}
	askedChannel      = asked{interaction: theInteraction, channel: theChannel}
	askedV2           = asked{conversation: theV2, account: theAccount}
	askedExample      = asked{conversation: "conversationId", participant: "id", account: theAccount}
)

// decoderOf returns what reads a testdata file, by its name.
func decoderOf(name string) func([]byte, *report) page {
	switch {
	case strings.Contains(name, "_conversation_"):
		return conversationPage(askedConversation)
	case strings.Contains(name, "_channel_"):
		return channelPage(askedChannel)
	case strings.HasSuffix(name, "_orchestrator_page"):
		return orchestratorPage(askedV2)
	}
	return func(body []byte, r *report) page {
		return page{participants: []Participant{decodeOrchestratorParticipant(body, askedExample, r)}}
	}
}

// decodeGood decodes a file that must be accepted, counting what it holds that is not documented.
func decodeGood(t *testing.T, name string) ([]Participant, map[string]int) {
	t.Helper()
	noticed := map[string]int{}
	r := report{unexpected: func(api API, field string) { noticed[string(api)+" "+field]++ }}
	p := decoderOf(name)(golden(t, name), &r)
	if len(r.problems) > 0 {
		t.Fatalf("%s: got problems %v, want none", name, r.problems)
	}
	return p.participants, noticed
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheV1PagesExampleIsReadWhole(t *testing.T) {
	got, noticed := decodeGood(t, "good_conversation_page")
	created := time.Date(2016, 3, 24, 21, 5, 50, 0, time.UTC)
	first := Participant{
		API:            Conversations,
		ID:             "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		AccountID:      theAccount,
		ConversationID: theConversation,
		RoleSID:        "RLaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		Attributes:     json.RawMessage(`{"role":"driver"}`),
		Addresses:      []Address{{Channel: "sms", Address: "+15558675310", ProxyAddress: "+15017122661"}},
		CreatedAt:      &created,
		UpdatedAt:      &created,
		URL:            "https://conversations.twilio.com/v1/Conversations/CHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Participants/MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	}
	second := first
	second.Identity, second.Addresses = "IDENTITY", nil
	if want := []Participant{first, second}; !reflect.DeepEqual(got, want) {
		t.Errorf("participants: got %s, want %s", encode(t, got), encode(t, want))
	}
	diff(t, "undocumented things", len(noticed), 0)
}

func TestTheFlexPagesExampleIsReadWhole(t *testing.T) {
	got, noticed := decodeGood(t, "good_channel_page")
	url := "https://flex-api.twilio.com/v1/Interactions/" + theInteraction + "/Channels/" + theChannel + "/Participants/"
	customer := Participant{
		API:            Flex,
		ID:             "UTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
		InteractionSID: theInteraction,
		ChannelSID:     theChannel,
		Type:           "customer",
		URL:            url + "UTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
	}
	agent := customer
	agent.ID, agent.URL, agent.Type = "UTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2", url+"UTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2", "agent"
	agent.Routing = json.RawMessage(`{"task_sid":"WTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","worker_sid":"WKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","reservation_sid":"WRaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
	if want := []Participant{customer, agent}; !reflect.DeepEqual(got, want) {
		t.Errorf("participants: got %s, want %s", encode(t, got), encode(t, want))
	}
	diff(t, "undocumented things", len(noticed), 0)
}

func TestTheV2PagesExampleIsReadWhole(t *testing.T) {
	got, noticed := decodeGood(t, "good_orchestrator_participant")
	at := time.Date(2009, 7, 6, 20, 30, 0, 0, time.UTC)
	want := []Participant{{
		API:            Orchestrator,
		ID:             "id",
		AccountID:      "ZGkrHSypTsudrGkmdpJJ",
		ConversationID: "conversationId",
		Type:           "CUSTOMER",
		Name:           "Miss Christine Morgan",
		ProfileID:      "profileId",
		Addresses:      []Address{{Channel: "SMS", Address: "address", ChannelID: "channelId"}},
		CreatedAt:      &at,
		UpdatedAt:      &at,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("participant: got %s, want %s", encode(t, got), encode(t, want))
	}
	diff(t, "undocumented things", len(noticed), 0)
}

func TestAV2PageIsReadWhole(t *testing.T) {
	got, _ := decodeGood(t, "good_orchestrator_page")
	if len(got) != 2 {
		t.Fatalf("participants: got %d, want 2", len(got))
	}
	diff(t, "second address", got[0].Addresses[1].Address, "rcs:brand_acme_agent")
	diff(t, "null name", got[1].Name, "")
	diff(t, "date with an offset", got[1].UpdatedAt.UTC().Format(time.RFC3339), "2023-07-01T12:00:00Z")
}

func TestNullIsAbsent(t *testing.T) {
	for name, want := range map[string]Participant{
		"good_conversation_nulls":      {API: Conversations, ID: "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		"good_channel_nulls":           {API: Flex, ID: "UTaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Type: "unknown"},
		"good_orchestrator_nulls":      {API: Orchestrator, ID: "id"},
		"good_nulls_orchestrator_page": {API: Orchestrator, ID: "id", Addresses: []Address{{}}},
	} {
		got, noticed := decodeGood(t, name)
		if !reflect.DeepEqual(got, []Participant{want}) || len(noticed) > 0 {
			t.Errorf("%s: got %s noticing %v, want %s", name, encode(t, got), noticed, encode(t, want))
		}
	}
}

func TestUndocumentedFieldsAreKeptAndCounted(t *testing.T) {
	got, noticed := decodeGood(t, "good_conversation_extra")
	p := got[0]
	diff(t, "extra", encode(t, p.Extra), `{"future":{"deep":[1,null]},"gone":null}`)
	diff(t, "address extra", encode(t, p.Addresses[0].Extra), `{"level":"cc","name":"Dana"}`)
	diff(t, "attributes", string(p.Attributes), `{"html":"<b>&</b>","n":12345678901234567890.10}`)
	diff(t, "last read", encode(t, p.LastRead), `{"message_index":7,"timestamp":"2016-03-24T21:05:50Z"}`)
	want := map[string]int{"conversations participant_field": 2, "conversations address_field": 2}
	if !maps.Equal(noticed, want) {
		t.Errorf("noticed: got %v, want %v", noticed, want)
	}

	got, noticed = decodeGood(t, "good_channel_misspelt")
	diff(t, "misspelt field", string(got[0].Extra["interaraction_sid"]), `"`+theInteraction+`"`)
	diff(t, "interaction", got[0].InteractionSID, "")
	diff(t, "noticed", noticed["flex participant_field"], 1)
}

func TestANewTypePassesAndIsCounted(t *testing.T) {
	for name, change := range map[string][2]string{
		"good_channel_page":             {`"type": "customer"`, `"type": "ai_agent"`},
		"good_orchestrator_participant": {`"type": "CUSTOMER"`, `"type": "ai_agent"`},
	} {
		noticed := map[string]int{}
		r := report{unexpected: func(_ API, field string) { noticed[field]++ }}
		body := strings.Replace(string(golden(t, name)), change[0], change[1], 1)
		p := decoderOf(name)([]byte(body), &r)
		if len(r.problems) > 0 {
			t.Fatalf("%s: got problems %v, want none", name, r.problems)
		}
		diff(t, name+" type", p.participants[0].Type, "ai_agent")
		diff(t, name+" noticed", noticed[UnexpectedType], 1)
	}
}

func TestBadAnswersAreNamedByFieldAndRule(t *testing.T) {
	for name, want := range map[string]string{
		"bad_conversation_role_sid":           "participants[1].role_sid: sid=RL",
		"bad_conversation_sid_null":           "participants[0].sid: required",
		"bad_conversation_other_conversation": "participants[0].conversation_sid: requested",
		"bad_conversation_attributes":         "participants[0].attributes: jsontext",
		"bad_conversation_no_meta":            "meta: required",
		"bad_conversation_truncated":          "body: json",
		"bad_conversation_trailing":           "body: json",
		"bad_conversation_not_json":           "body: json",
		"bad_channel_sid":                     "participants[0].sid: sid=UT",
		"bad_channel_type_null":               "participants[0].type: not_null",
		"bad_orchestrator_id":                 "id: v2id",
		"bad_orchestrator_address":            "addresses[1].channel: string",
	} {
		var r report
		decoderOf(name)(golden(t, name), &r)
		diff(t, name, r.problems.Error(), want)
	}
}

// TestEveryRuleOfThePages changes one thing in a page's own example.
func TestEveryRuleOfThePages(t *testing.T) {
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	const v1, flex, v2, v2list = "good_conversation_page", "good_channel_page", "good_orchestrator_participant", "good_orchestrator_page"
	for _, tc := range []struct{ file, old, replacement, want string }{
		{v1, `"sid": "MB`, `"sid": "mb`, "participants[0].sid: sid=MB"},
		{v1, `"sid": "MB`, `"id": "MB`, "participants[0].sid: required"},
		{v1, `"sid": "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `"sid": ""`, "participants[0].sid: sid=MB"},
		{v1, `"sid": "MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `"sid": 5`, "participants[0].sid: string"},
		{v1, `"account_sid": "AC`, `"account_sid": "XX`, "participants[0].account_sid: sid=AC"},
		{v1, `"account_sid": "ACa`, `"account_sid": "ACb`, "participants[0].account_sid: requested"},
		{v1, `"conversation_sid": "CHa`, `"conversation_sid": "CHA`, "participants[0].conversation_sid: requested"},
		{v1, `"identity": "IDENTITY"`, `"identity": "` + strings.Repeat("é", 256) + `"`, ""},
		{v1, `"identity": "IDENTITY"`, `"identity": "` + strings.Repeat("é", 257) + `"`, "participants[1].identity: max=256"},
		{v1, `"identity": null`, `"identity": {}`, "participants[0].identity: string"},
		{v1, `"{ \"role\": \"driver\" }"`, `""`, "participants[0].attributes: jsontext"},
		{v1, `"{ \"role\": \"driver\" }"`, `{"role": "driver"}`, "participants[0].attributes: string"},
		{v1, `"{ \"role\": \"driver\" }"`, `"` + deep + `"`, "participants[0].attributes: jsontext"},
		{v1, `"messaging_binding": null`, `"messaging_binding": "sms"`, "participants[1].messaging_binding: object"},
		{v1, `"type": "sms"`, `"type": 1`, "participants[0].messaging_binding.type: string"},
		{v1, `"2016-03-24T21:05:50Z"`, `"2016-03-24 21:05:50"`, "participants[0].date_created: rfc3339"},
		{v1, `"2016-03-24T21:05:50Z"`, `"2016-02-30T21:05:50Z"`, "participants[0].date_created: rfc3339"},
		{v1, `"2016-03-24T21:05:50Z"`, `1458853550`, "participants[0].date_created: string"},
		{v1, `"last_read_message_index": null`, `"last_read_message_index": "3"`, "participants[0].last_read_message_index: integer"},
		{v1, `"last_read_message_index": null`, `"last_read_message_index": 1.5`, "participants[0].last_read_message_index: integer"},
		{v1, `"last_read_timestamp": null`, `"last_read_timestamp": false`, "participants[0].last_read_timestamp: string"},
		{v1, `"url": "https://conversations.twilio.com/v1/Conversations/CHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Participants/`, `"url": "/`, "participants[0].url: uri"},
		{v1, `"next_page_url": null`, `"next_page_url": 7`, "meta.next_page_url: string"},
		{v1, `"meta": {`, `"meta": 3, "atem": {`, "meta: object"},
		{v1, `"participants": [`, `"Participants": [`, "participants: required"},
		{v1, `"participants": [`, `"participants": [null, `, "participants[0]: object"},
		{v1, `"participants": [`, `"participants": ["MB", `, "participants[0]: object"},
		{v1, `"IDENTITY"`, "\"\xff\"", "body: utf8"},
		{flex, `"type": "customer"`, `"type": 3`, "participants[0].type: string"},
		{flex, `"type": "customer",`, ``, ""},
		{flex, `"channel_sid": "UO`, `"channel_sid": "UT`, "participants[0].channel_sid: sid=UO"},
		{flex, `"interaction_sid": "KDa`, `"interaction_sid": "KDb`, "participants[0].interaction_sid: requested"},
		{flex, `"routing_properties": null`, `"routing_properties": ` + deep, "body: depth=512"},
		{v2, `"id": "id"`, `"id": null`, "id: required"},
		{v2, `"id": "id"`, `"id": "other"`, "id: requested"},
		{v2, `"conversationId": "conversationId"`, `"conversationId": "another"`, "conversationId: requested"},
		{v2, `"conversationId": "conversationId"`, `"conversationId": "a/b"`, "conversationId: v2id"},
		{v2, `"ZGkrHSypTsudrGkmdpJJ"`, `"ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`, "accountId: requested"},
		{v2, `"profileId": "profileId"`, `"profileId": "profile id"`, "profileId: v2id"},
		{v2, `"type": "CUSTOMER"`, `"type": ["CUSTOMER"]`, "type: string"},
		{v2, `"addresses": [`, `"addresses": {}, "x": [`, "addresses: array"},
		{v2, `"addresses": [`, `"addresses": [null,`, "addresses[0]: object"},
		{v2, `"2009-07-06T20:30:00Z"`, `"yesterday"`, "createdAt: rfc3339"},
		{v2list, `"nextToken": null`, `"nextToken": 5`, "meta.nextToken: string"},
		{v2list, `"meta": {`, `"other": {`, ""},
		{v2list, `"channel": "RCS"`, `"channel": 1`, "participants[0].addresses[1].channel: string"},
	} {
		body := strings.Replace(string(golden(t, tc.file)), tc.old, tc.replacement, 1)
		var r report
		decoderOf(tc.file)([]byte(body), &r)
		if got := r.problems.Error(); got != tc.want {
			t.Errorf("%s with %.60s: got %q, want %q", tc.file, tc.replacement, got, tc.want)
		}
	}
}

func TestBodiesThatAreNoObject(t *testing.T) {
	for _, body := range []string{`null`, `[]`, `"participants"`, `7`} {
		for _, name := range []string{"good_conversation_page", "good_channel_page", "good_orchestrator_page", "good_orchestrator_participant"} {
			var r report
			decoderOf(name)([]byte(body), &r)
			diff(t, name+" as "+body, r.problems.Error(), "body: object")
		}
	}
	var r report
	conversationPage(askedConversation)(nil, &r)
	diff(t, "no body", r.problems.Error(), "body: json")
}

func TestAnEmptyObjectIsNoPage(t *testing.T) {
	for name, want := range map[string]string{
		"good_conversation_page":        "participants: required; meta: required",
		"good_channel_page":             "participants: required; meta: required",
		"good_orchestrator_page":        "participants: required",
		"good_orchestrator_participant": "id: required",
	} {
		var r report
		decoderOf(name)([]byte(` {} `), &r)
		diff(t, name, r.problems.Error(), want)
	}
}

// What encoding/json takes, we take: a key named twice, whose last value counts, and half of a surrogate pair.
func TestJSONIsReadTolerantly(t *testing.T) {
	body := `{"meta":{"next_page_url":"x"},"participants":[{
		"sid":null,"si\u0064":"MBaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","sid":"MBbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"identity":"\ud800\u00e9\"","attributes":"{\"a\": 1, \"a\": \"\\ud800\"}",
		"new":1,"new":{"b" : [2, 3.0]},"":null
	}],"meta":{"next_page_url":null}}`
	noticed := 0
	r := report{unexpected: func(API, string) { noticed++ }}
	p := conversationPage(askedConversation)([]byte(body), &r)
	if len(r.problems) > 0 || len(p.participants) != 1 {
		t.Fatalf("got %d participants and problems %v, want 1 and none", len(p.participants), r.problems)
	}
	one := p.participants[0]
	diff(t, "sid", one.ID, "MBbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	diff(t, "identity", one.Identity, "\ufffdé\"")
	diff(t, "attributes", string(one.Attributes), `{"a":1,"a":"\ud800"}`)
	diff(t, "extra", encode(t, one.Extra), `{"":null,"new":{"b":[2,3.0]}}`)
	diff(t, "noticed", noticed, 2)
	diff(t, "next page", p.next, "")
}

func TestProblemsAreBounded(t *testing.T) {
	var r report
	items := strings.TrimSuffix(strings.Repeat(`{"sid":null,"identity":1},`, 1000), ",")
	conversationPage(askedConversation)(fmt.Appendf(nil, `{"meta":{},"participants":[%s]}`, items), &r)
	diff(t, "problems", len(r.problems), maxProblems)
}

func TestParticipantsSurviveTheirJSON(t *testing.T) {
	for _, name := range []string{
		"good_conversation_page", "good_conversation_nulls", "good_conversation_extra", "good_channel_page",
		"good_channel_misspelt", "good_orchestrator_page", "good_orchestrator_participant",
	} {
		want, _ := decodeGood(t, name)
		published := encode(t, want)
		var got []Participant
		if err := json.Unmarshal([]byte(published), &got); err != nil {
			t.Fatal(err)
		}
		diff(t, name+" published again", encode(t, got), published)
		if name != "good_conversation_extra" && !reflect.DeepEqual(got, want) { // its "<" comes back as <
			t.Errorf("%s read again: got %+v, want %+v", name, got, want)
		}
	}
}

func TestKeysAreNotSharedWithTheBody(t *testing.T) {
	body := slices.Clone(golden(t, "good_conversation_extra"))
	var r report
	p := conversationPage(askedConversation)(body, &r)
	before := encode(t, p.participants)
	clear(body)
	diff(t, "participants after the body was overwritten", encode(t, p.participants), before)
}

// The body is memory that the next answer is read into: nothing of it may be in what was decoded.
func TestWhatWasDecodedHasNothingOfTheBody(t *testing.T) {
	for _, pattern := range []string{"good_*.json", "bad_*.json"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: got %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			var r, untouched report
			body := golden(t, name)
			p, want := decoderOf(name)(body, &r), decoderOf(name)(slices.Clone(body), &untouched)
			for i := range body {
				body[i] = 'x'
			}
			if !reflect.DeepEqual(p, want) || !reflect.DeepEqual(r.problems, untouched.problems) {
				t.Errorf("%s: got %+v and %v after another answer came, want %+v and %v", name, p, r.problems, want, untouched.problems)
			}
		}
	}
}
