package main

import (
	"fmt"
	"html"
	"strings"
	"unicode"
)

// plansMarkdown prints plans as a comment on a pull request: the sum and the
// holds at sight, the steps folded away, and the line that applies exactly this.
func (t *tool) plansMarkdown(all []surveyed) error {
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(t.out)
		}
		fmt.Fprint(t.out, planMarkdown(s))
	}
	return nil
}

func planMarkdown(s surveyed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### slotwright plan: `%s`\n\n", s.want.Name)
	r := s.result
	if r.Err != nil {
		fmt.Fprintf(&b, "**Error:** %s\n", inert(r.Err.Error()))
		return b.String()
	}
	fmt.Fprintf(&b, "**%s**\n", footer(r))
	for i, h := range r.Plan.Holds {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- :warning: %s", inert(holdLine(h)))
		fmt.Fprintf(&b, "%s\n", after("<br>To lift it: ", inert(h.Lift)))
	}
	if len(r.Plan.Steps) > 0 {
		stepsMarkdown(&b, s)
	}
	for i, note := range r.Plan.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- Note: %s\n", inert(note))
	}
	return b.String()
}

func stepsMarkdown(b *strings.Builder, s surveyed) {
	steps := s.result.Plan.Steps
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", count(len(steps), "step"))
	b.WriteString("| # | stage | | step | why |\n| --: | --: | --- | --- | --- |\n")
	for i, step := range steps {
		fmt.Fprintf(b, "| %d | %d | `%s` | %s | %s |\n",
			i+1, step.Stage, sign(step.Kind), inert(deed(step)), inert(because(step)))
	}
	fmt.Fprintf(b, "\n</details>\n\nTo apply exactly this plan:\n\n```sh\nslotwright apply --expect-plan %s %s\n```\n",
		s.result.Plan.Fingerprint(), quoted(s.want.File))
}

// inert makes text from servers and files plain in a markdown table: it can't
// end a cell, make a link or an image, or call a person.
func inert(text string) string {
	return strings.NewReplacer(
		"|", "&#124;", "`", "&#96;", "@", "&#64;", "[", "&#91;", "]", "&#93;", "*", "&#42;", "_", "&#95;",
		"://", ":&#47;&#47;",
	).Replace(html.EscapeString(clean(text)))
}

// quoted is one word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-", r))
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(clean(word), "'", `'\''`) + "'"
}
