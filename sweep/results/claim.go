package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Claim says which process holds a generation of a block: the content of
// claims/<block>.<generation>. The first writer wins, for ever.
type Claim struct {
	Format int       `json:"v"`
	Block  string    `json:"block"`
	Gen    int       `json:"gen"`
	Nonce  string    `json:"nonce"`
	Time   time.Time `json:"time"`
	Holder Holder    `json:"holder"`
}

// Seal says what of a generation counts, for ever: the content of
// claims/<block>.<generation>.seal. The first writer wins, and everyone, the
// loser too, goes by the winner's content.
type Seal struct {
	Format   int             `json:"v"`
	Block    string          `json:"block"`
	Gen      int             `json:"gen"`
	Nonce    string          `json:"nonce"`
	By       string          `json:"by"`   // who sealed: the holder's name, or host and pid of the taker
	Self     bool            `json:"self"` // the holder itself
	Time     time.Time       `json:"time"`
	Journals []SealedJournal `json:"journals"`
	// Class is what became of runs that were begun and have no end: how the
	// holder ended, as far as the sealer knows.
	Class Class `json:"class"`
	// Left is how many runs of the generation have no final end, if the sealer
	// knows: the holder does. It follows from the rest and saves claimers from
	// reading the journals.
	Left *int `json:"left,omitempty"`
}

// SealedJournal is the part of one journal that a seal counts: the records of
// the generation before Upto, and those in Tail, which are verbatim copies of
// the lines found after it. A copy survives what may still happen to bytes that
// nobody has synced.
type SealedJournal struct {
	Name string   `json:"name"`
	Upto int64    `json:"upto"`
	Tail []string `json:"tail,omitempty"`
}

const sealSuffix = ".seal"

// encodeWhole encodes the content of a small published file: one JSON object
// with a sum, as a journal line.
func encodeWhole(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return sealLine(b[:len(b)-1], 0), nil
}

func decodeWhole(dir *os.Root, name string, v any) error {
	b, err := readWhole(dir, name)
	if err != nil {
		return err
	}
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	body, ok := checkLine(b)
	if !ok {
		return &DamagedError{name, "its checksum does not match"}
	}
	var version struct {
		Format int `json:"v"`
	}
	text := append(body[:len(body):len(body)], '}')
	if err := json.Unmarshal(text, &version); err != nil {
		return &DamagedError{name, err.Error()}
	}
	if version.Format > Format {
		return &NewerError{dir.Name(), version.Format}
	}
	if err := json.Unmarshal(text, v); err != nil {
		return &DamagedError{name, err.Error()}
	}
	return nil
}

// claim tries to take a generation of a block. The caller has made sure that
// the generation before it is sealed.
func (s *Sweep) claim(block string, gen int, h Holder) (c Claim, won bool, err error) {
	c = Claim{Format: Format, Block: block, Gen: gen, Nonce: randomHex(8), Time: time.Now().UTC(), Holder: h}
	b, err := encodeWhole(c)
	if err != nil {
		return c, false, err
	}
	won, err = putNew(s.dir, "claims/"+genName(block, gen), b)
	return c, won, err
}

// ReadClaim returns who holds a generation.
func (s *Sweep) ReadClaim(block string, gen int) (*Claim, error) {
	c, name := new(Claim), "claims/"+genName(block, gen)
	err := decodeWhole(s.dir, name, c)
	if err == nil && (c.Block != block || c.Gen != gen || c.Holder.Name == "") {
		err = &DamagedError{name, "it is not the claim of " + genName(block, gen)}
	}
	return c, err
}

// readSeal returns a generation's seal, or nil if it has none.
func (s *Sweep) readSeal(block string, gen int) (*Seal, error) {
	seal, name := new(Seal), "claims/"+genName(block, gen)+sealSuffix
	err := decodeWhole(s.dir, name, seal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if seal.Block != block || seal.Gen != gen || seal.By == "" {
		return nil, &DamagedError{name, "it is not the seal of " + genName(block, gen)}
	}
	return seal, nil
}

// Fence announces that a generation is being closed. Its holder will not mark
// anything in it any more once it has listed the fences. Returning, whether
// this call made the fence or found it, starts the caller's own grace time.
func (s *Sweep) Fence(block string, gen int, by string) error {
	b, err := encodeWhole(map[string]any{"v": Format, "by": by, "nonce": randomHex(8), "time": time.Now().UTC()})
	if err != nil {
		return err
	}
	_, err = putNew(s.dir, "fences/"+genName(block, gen), b)
	return err
}

// putSeal publishes a seal and returns the one that holds: ours, or that of
// whoever was first.
func (s *Sweep) putSeal(seal *Seal) (*Seal, error) {
	seal.Format, seal.Nonce, seal.Time = Format, randomHex(8), time.Now().UTC()
	b, err := encodeWhole(seal)
	if err != nil {
		return nil, err
	}
	won, err := putNew(s.dir, "claims/"+genName(seal.Block, seal.Gen)+sealSuffix, b)
	if err != nil {
		return nil, err
	}
	if won {
		return seal, nil
	}
	winner, err := s.readSeal(seal.Block, seal.Gen)
	if err == nil && winner == nil {
		err = fmt.Errorf("seal of %s: taken, but not to be read", genName(seal.Block, seal.Gen))
	}
	return winner, err
}

// SealDead closes a generation whose holder is dead: it reads all journals of
// the holder to their ends and adopts every intact record of the generation,
// marked or not. The caller has fenced it and has waited 2D since, or has proof
// that no process of the holder is left.
//
// class says how the holder ended, for the runs it had begun and not finished.
func (s *Sweep) SealDead(c *Claim, by string, class Class) (*Seal, error) {
	names, err := s.journalsOf(c.Holder.Name)
	if err != nil {
		return nil, err
	}
	seal := &Seal{Block: c.Block, Gen: c.Gen, By: by, Class: class}
	full := genName(c.Block, c.Gen)
	for _, name := range names {
		sj := SealedJournal{Name: name}
		type found struct {
			at   int64
			line string
		}
		var own []found
		_, err := readJournal(s.dir, name, 0, func(at int64, line []byte, r Record) {
			switch {
			case r.Kind == RecordMark:
				for _, m := range r.Blocks {
					if m == full {
						sj.Upto = max(sj.Upto, r.Offset)
					}
				}
			case r.Block == full:
				own = append(own, found{at, string(line)})
			}
		}, nil)
		if err != nil {
			return nil, fmt.Errorf("seal %s: %w", full, err)
		}
		for _, f := range own {
			if f.at >= sj.Upto {
				sj.Tail = append(sj.Tail, f.line)
			}
		}
		if len(own) > 0 {
			seal.Journals = append(seal.Journals, sj)
		}
	}
	return s.putSeal(seal)
}
