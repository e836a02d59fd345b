package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// people returns who is in a roster, one per line below the third column.
func (p *printer) people(r events.Roster, pre bool) string {
	var lines []string
	switch {
	case r.Status == events.RosterGone:
		lines = []string{p.style(faint, "gone: Twilio no longer knows it")}
	case r.Status == events.RosterNotNeeded:
		lines = []string{p.style(faint, "nobody to look up")}
	case len(r.Participants) == 0:
		lines = []string{p.style(faint, "nobody")}
	}
	rows := make([][3]string, len(r.Participants))
	for i, who := range r.Participants {
		rows[i] = [3]string{clean(role(who)), clean(name(who)), clean(strings.Join(addresses(who), ", "))}
	}
	lines = append(lines, p.align(rows)...)
	if pre {
		lines = append(lines, p.style(faint, "(before the fact: Twilio asked whether it may happen)"))
	}
	var out strings.Builder
	for _, l := range lines {
		out.WriteString("\n" + textStart + strings.TrimRight(l, " "))
	}
	return out.String()
}

// align returns one line per row, with the columns aligned.
func (p *printer) align(rows [][3]string) []string {
	var width [2]int
	for _, r := range rows {
		for i := range width {
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = fmt.Sprintf("%s  %s  %s",
			p.style(cyan, fmt.Sprintf("%-*s", width[0], r[0])), p.style(bold, fmt.Sprintf("%-*s", width[1], r[1])), r[2])
	}
	return lines
}

// described is what the attributes of the cast's v1 participants hold.
type described struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

func describe(who participants.Participant) (d described) {
	if json.Unmarshal(who.Attributes, &d) != nil {
		return described{}
	}
	return d
}

func role(who participants.Participant) string {
	return cmp.Or(strings.ReplaceAll(strings.ToLower(who.Type), "_", " "), describe(who).Role, "participant")
}

func name(who participants.Participant) string {
	return cmp.Or(who.Name, describe(who).Name, who.Identity, who.ID)
}

func addresses(who participants.Participant) []string {
	var all []string
	if who.Identity != "" {
		all = append(all, "chat "+who.Identity)
	}
	for _, a := range who.Addresses {
		text := strings.ToLower(a.Channel) + " " + cmp.Or(a.Address, a.ProjectedAddress)
		if a.ProxyAddress != "" {
			text += " via " + a.ProxyAddress
		}
		all = append(all, text)
	}
	return all
}

// clean makes text from outside safe to print on one line of a terminal: it may hold control characters.
func clean(text string) string { return strings.Map(printable, text) }

func printable(r rune) rune {
	if r < ' ' || (r >= 0x7f && r < 0xa0) {
		return '?'
	}
	return r
}
