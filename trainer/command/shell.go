package command

import (
	"errors"
	"fmt"
	"strings"
)

// place says where in a shell command a placeholder stands, which decides
// how its value must be quoted.
type place uint8

const (
	bare         place = iota
	singleQuotes       // between '
	doubleQuotes       // between "
	unclear            // a place where no quoting is safe for sure
)

// parseShell is [parseTemplate] for a command that sh will read: it also finds
// out how each placeholder is quoted. It follows POSIX quoting (XCU 2.2) and
// comments. Where that is not enough to be certain (here documents, command
// substitution in backquotes or double quotes, comments, $'...'), the place
// is unclear and only values without special characters are let through.
func parseShell(s string) (template, error) {
	t, err := parseTemplate(s)
	if err != nil {
		return nil, err
	}
	state := shellState{}
	for i, p := range t {
		if p.key == "" {
			state.read(p.lit)
			continue
		}
		if state.prev == '$' {
			return nil, fmt.Errorf("has ${%s}: write {%s} for the config's value, ${{%s}} for a shell variable", p.key, p.key, p.key)
		}
		t[i].at = state.place()
		state.prev, state.escaped = 'x', false
	}
	if state.doubtful {
		for i := range t {
			t[i].at = unclear
		}
	}
	return t, nil
}

type shellState struct {
	in       byte // the open quote, or # in a comment, or 0
	escaped  bool // a backslash came just before
	prev     byte
	doubtful bool
}

func (s *shellState) place() place {
	switch {
	case s.escaped, s.in == '#':
		return unclear
	case s.in == '\'':
		return singleQuotes
	case s.in == '"':
		return doubleQuotes
	}
	return bare
}

func (s *shellState) read(lit string) {
	for i := 0; i < len(lit); i++ {
		c := lit[i]
		switch {
		case s.escaped:
			s.escaped = false
			s.prev = 'x' // an escaped character opens nothing
			continue
		case s.in == '#':
			if c == '\n' {
				s.in = 0
			}
		case s.in == '\'':
			if c == '\'' {
				s.in = 0
			}
		case c == '\\':
			s.escaped = true
		case c == '`':
			s.doubtful = true
		case s.in == '"':
			if c == '"' {
				s.in = 0
			} else if s.prev == '$' && (c == '(' || c == '{' && !variable(lit[i+1:])) {
				s.doubtful = true
			}
		case c == '\'' || c == '"':
			s.in = c
			if s.prev == '$' {
				s.doubtful = true
			}
		case c == '<' && s.prev == '<':
			s.doubtful = true
		case c == '#' && (s.prev == 0 || strings.IndexByte(" \t\n;&|()", s.prev) >= 0):
			s.in = '#'
		}
		s.prev = c
	}
}

// variable reports whether s begins with the rest of a plain ${NAME}.
func variable(s string) bool {
	name, _, ok := strings.Cut(s, "}")
	return ok && plain(name) && !strings.ContainsAny(name, "%+=:,./-@")
}

// quote returns s so that sh reads exactly s at the place of p.
func quote(s string, p part) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return s, nil // refused by the caller
	}
	if plain(s) {
		if s == "" && p.at == bare {
			return "''", nil
		}
		return s, nil
	}
	switch p.at {
	case bare:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
	case singleQuotes:
		return strings.ReplaceAll(s, "'", `'\''`), nil
	case doubleQuotes:
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s), nil
	}
	return "", errors.New("{" + p.key + "} holds characters that are special to sh, in a place where orch cannot quote them safely" +
		" (here document, backquotes, comment, or $(...) inside double quotes); pass it by [task.env] and use the variable")
}

// plain reports whether sh reads s as itself in every place.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_@%+=:,./-", c) >= 0) {
			return false
		}
	}
	return true
}
