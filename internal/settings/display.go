package settings

import (
	"fmt"
	"net/url"
	"strings"
)

// display returns a setting's value for a log. A secret prints itself redacted; URLs lose their userinfo.
func display(value any) string {
	switch v := value.(type) {
	case string:
		return withoutUserinfo(v)
	case []string:
		return withoutUserinfo(strings.Join(v, ","))
	default:
		return fmt.Sprint(v)
	}
}

func withoutUserinfo(list string) string {
	if !strings.Contains(list, "@") {
		return list
	}
	parts := strings.Split(list, ",")
	for i, part := range parts {
		parts[i] = stripUserinfo(part)
	}
	return strings.Join(parts, ",")
}

func stripUserinfo(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "[unreadable]"
	}
	u.User = nil
	return u.String()
}
