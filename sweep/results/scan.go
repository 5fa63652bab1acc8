package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// scanner walks the JSON of one journal or plan line without building a tree:
// collecting 100,000 runs means parsing a few hundred thousand lines, which
// encoding/json does at about a tenth of the speed. It accepts a subset of what
// encoding/json accepts and sees only lines whose checksum holds.
type scanner struct {
	b      []byte
	i      int
	shared bool // b never changes: strings may point into it
}

var errScan = errors.New("malformed line")

func (s *scanner) fail(want string) error {
	return fmt.Errorf("%w: want %s at byte %d", errScan, want, s.i)
}

// object calls f with each key of the object at the cursor; f must consume the
// value. The final brace may be missing, since [checkLine] cuts it off.
func (s *scanner) object(f func(key []byte) error) error {
	if !s.eat('{') {
		return s.fail("{")
	}
	if s.eat('}') {
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if !s.eat(':') {
			return s.fail(":")
		}
		if err := f(key); err != nil {
			return err
		}
		if s.eat(',') {
			continue
		}
		if s.i == len(s.b) || s.eat('}') {
			return nil
		}
		return s.fail(", or }")
	}
}

func (s *scanner) array(f func() error) error {
	if !s.eat('[') {
		return s.fail("[")
	}
	if s.eat(']') {
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		if s.eat(',') {
			continue
		}
		if s.eat(']') {
			return nil
		}
		return s.fail(", or ]")
	}
}

func (s *scanner) eat(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// str returns a string's text; it points into the line unless there are escapes.
func (s *scanner) str() ([]byte, error) {
	if !s.eat('"') {
		return nil, s.fail("a string")
	}
	from := s.i
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '"':
			s.i++
			return s.b[from : s.i-1], nil
		case '\\':
			return s.escaped(from)
		}
	}
	return nil, s.fail(`a closing "`)
}

func (s *scanner) escaped(from int) ([]byte, error) {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			var text string
			err := json.Unmarshal(s.b[from-1:s.i], &text)
			return []byte(text), err
		}
	}
	return nil, s.fail(`a closing "`)
}

func (s *scanner) strInto(p *string) error {
	b, err := s.str()
	*p = s.text(b)
	return err
}

// text returns what str returned as a string.
func (s *scanner) text(b []byte) string {
	if s.shared {
		return textOf(b)
	}
	return string(b)
}

// number returns the text of a number, or of a string holding one.
func (s *scanner) number() ([]byte, error) {
	if s.i < len(s.b) && s.b[s.i] == '"' {
		return s.str()
	}
	from := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			continue
		}
		break
	}
	if s.i == from {
		return nil, s.fail("a number")
	}
	return s.b[from:s.i], nil
}

func (s *scanner) intInto(p *int64) error {
	b, err := s.number()
	if err != nil {
		return err
	}
	*p, err = strconv.ParseInt(string(b), 10, 64)
	return err
}

func (s *scanner) floatInto(p *float64) error {
	b, err := s.number()
	if err != nil {
		return err
	}
	*p, err = strconv.ParseFloat(string(b), 64)
	if errors.Is(err, strconv.ErrRange) && math.IsInf(*p, 0) {
		return nil
	}
	return err
}

// raw returns the bytes of the value at the cursor.
func (s *scanner) raw() ([]byte, error) {
	from := s.i
	err := s.skip()
	return s.b[from:s.i], err
}

// skip passes over the value at the cursor, whatever its type.
func (s *scanner) skip() error {
	depth := 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			if _, err := s.str(); err != nil {
				return err
			}
			if depth == 0 {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return nil
			}
			if depth--; depth == 0 {
				s.i++
				return nil
			}
		case ',':
			if depth == 0 {
				return nil
			}
		}
		s.i++
	}
	return nil
}
