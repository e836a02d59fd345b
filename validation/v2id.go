package validation

import "strings"

// V2ID is an identifier of the v2 (Orchestrator) API, such as
// "conv_conversation_01k1etk2y5f1y9fpe2epfdtvv2". Twilio documents no pattern
// for it, so ParseV2ID is lenient: 1 to 128 characters of [A-Za-z0-9_-]. One that
// ParseV2ID returned is safe as a URL path segment and as a NATS subject token.
type V2ID string

// Family says what a v2 identifier identifies. It is the part before the last underscore:
// "conv_conversation", "conv_participant", "mem_profile".
type Family string

// The families in Twilio's documentation. There may be others: ParseV2ID accepts any.
const (
	FamilyConversation       Family = "conv_conversation"
	FamilyParticipant        Family = "conv_participant"
	FamilyCommunication      Family = "conv_communication"
	FamilyConfiguration      Family = "conv_configuration"
	FamilyAction             Family = "conv_action"
	FamilyProfile            Family = "mem_profile"
	FamilyStore              Family = "mem_store"
	FamilyService            Family = "mem_service"
	FamilyInteractionWebhook Family = "flex_interactionwebhook"
)

// Families returns the families that this package names.
func Families() []Family {
	return []Family{
		FamilyConversation, FamilyParticipant, FamilyCommunication, FamilyConfiguration, FamilyAction,
		FamilyProfile, FamilyStore, FamilyService, FamilyInteractionWebhook,
	}
}

const (
	maxV2IDLen  = 128
	v2SuffixLen = 26 // [0-7][0-9a-z]{25}: 128 bits, in base 32
)

// ParseV2ID returns s as a V2ID if it is 1 to 128 characters of [A-Za-z0-9_-]. The error is
// ErrIdentifier, which does not quote s.
func ParseV2ID(s string) (V2ID, error) {
	if len(s) == 0 || len(s) > maxV2IDLen {
		return "", ErrIdentifier
	}
	for i := range len(s) {
		if !isV2Byte(s[i]) {
			return "", ErrIdentifier
		}
	}
	return V2ID(s), nil
}

func isV2Byte(c byte) bool {
	return isDigit(c) || isLower(c) || isUpper(c) || c == '_' || c == '-'
}

// Family returns the family of an identifier in the form that Twilio's documentation shows:
// lower-case words joined by single underscores (the family), "_", then [0-7][0-9a-z]{25}. It is ""
// for an identifier in any other form. The family need not be one of Families.
func (id V2ID) Family() Family {
	i := strings.LastIndexByte(string(id), '_')
	if i < 0 || !isV2Suffix(string(id[i+1:])) {
		return ""
	}
	for word := range strings.SplitSeq(string(id[:i]), "_") {
		if !isLowerWord(word) {
			return ""
		}
	}
	return Family(id[:i])
}

func isV2Suffix(s string) bool {
	return len(s) == v2SuffixLen && '0' <= s[0] && s[0] <= '7' && isLowerWord(s)
}

// isLowerWord reports whether s is one or more of [0-9a-z].
func isLowerWord(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && !isLower(s[i]) {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
