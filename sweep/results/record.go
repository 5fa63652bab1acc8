package results

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"orch/sweep/override"
)

// A Record is one line of a journal. Which fields are set depends on Kind.
type Record struct {
	Kind   RecordKind
	Time   int64  // Unix milliseconds by the writer's clock: for display only
	Run    string // ID of the run: start, checkpoint, end
	Block  string // "<block>.<generation>" it was held under: start, checkpoint, end
	Folder string // attempt folder: start

	Step int64  // checkpoint: the step it holds
	File string // checkpoint: its name in the attempt's folder

	Class   Class    // end
	GiveUp  bool     // end: final although the class is not; a cap was reached
	Seconds float64  // end: duration by the monotonic clock
	Exit    int      // end: exit code
	Signal  string   // end
	Message string   // end
	Metrics []Metric // end: final metrics in the order of their first report
	CPU     float64  // end: seconds of user and system time, 0 unknown
	MaxRSS  int64    // end: bytes, 0 unknown

	Offset int64    // mark: everything of Blocks before this offset counts
	Blocks []string // mark: "<block>.<generation>"

	Worker *Holder // worker: who writes this journal; first line of every journal
}

// RecordKind is the type of a journal line.
type RecordKind uint8

// The kinds of line.
const (
	RecordUnknown RecordKind = iota // a kind of a later version: skipped
	RecordWorker
	RecordStart
	RecordCheckpoint
	RecordEnd
	RecordBeat
	RecordMark
)

var recordKinds = [...]string{"", "worker", "start", "ckpt", "end", "beat", "mark"}

// Metric is a named number; NaN and infinities are kept.
type Metric struct {
	Name  string
	Value float64
}

// appendLine appends the record as a whole line, newline included.
func (r *Record) appendLine(b []byte) []byte {
	from := len(b)
	b = append(b, `{"k":"`...)
	b = append(b, recordKinds[r.Kind]...)
	b = append(b, `","t":`...)
	b = strconv.AppendInt(b, r.Time, 10)
	str := func(key, s string) {
		if s != "" {
			b = append(b, key...)
			b = appendString(b, s)
		}
	}
	num := func(key string, n int64) {
		if n != 0 {
			b = append(b, key...)
			b = strconv.AppendInt(b, n, 10)
		}
	}
	str(`,"r":`, r.Run)
	str(`,"b":`, r.Block)
	str(`,"a":`, r.Folder)
	switch r.Kind {
	case RecordCheckpoint:
		num(`,"n":`, r.Step)
		str(`,"f":`, r.File)
	case RecordEnd:
		str(`,"c":`, r.Class.String())
		if r.GiveUp {
			b = append(b, `,"giveup":true`...)
		}
		b = append(b, `,"d":`...)
		b = appendNumber(b, r.Seconds)
		num(`,"x":`, int64(r.Exit))
		str(`,"s":`, r.Signal)
		str(`,"e":`, r.Message)
		if r.CPU != 0 {
			b = append(b, `,"cpu":`...)
			b = appendNumber(b, r.CPU)
		}
		num(`,"rss":`, r.MaxRSS)
		if len(r.Metrics) > 0 {
			b = append(b, `,"m":{`...)
			for i, m := range r.Metrics {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(b, m.Name)
				b = append(b, ':')
				b = appendNumber(b, m.Value)
			}
			b = append(b, '}')
		}
	case RecordMark:
		b = append(b, `,"x":`...)
		b = strconv.AppendInt(b, r.Offset, 10)
		b = append(b, `,"bs":[`...)
		for i, s := range r.Blocks {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		b = append(b, ']')
	case RecordWorker:
		h, _ := json.Marshal(r.Worker) // plain strings and numbers always encode
		b = append(b, `,"w":`...)
		b = append(b, h...)
	}
	return sealLine(b, from)
}

// appendNumber appends a number as JSON; NaN and infinities as strings.
func appendNumber(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		b = append(b, '"')
		b = override.AppendFloat(b, f)
		return append(b, '"')
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func appendString(b []byte, s string) []byte { return override.QuotedValue(s).AppendJSON(b) }

// parseRecord reads the body of an intact line, as [checkLine] returns it.
// Unknown members are skipped; a line of an unknown kind gives RecordUnknown.
func parseRecord(body []byte) (r Record, err error) {
	err = new(recordParser).parse(&r, body)
	return r, err
}

// recordParser parses many records with few allocations.
type recordParser struct {
	shared  bool     // strings may point into the lines, which never change
	metrics []Metric // room for the next ones
}

// parse is [parseRecord] into a zero record.
func (p *recordParser) parse(r *Record, body []byte) error {
	s := scanner{b: body, shared: p.shared}
	return s.object(func(key []byte) error {
		switch string(key) {
		case "k":
			k, err := s.str()
			for i, name := range recordKinds {
				if i > 0 && name == string(k) {
					r.Kind = RecordKind(i)
				}
			}
			return err
		case "t":
			return s.intInto(&r.Time)
		case "r":
			return s.strInto(&r.Run)
		case "b":
			return s.strInto(&r.Block)
		case "a":
			return s.strInto(&r.Folder)
		case "n":
			return s.intInto(&r.Step)
		case "f":
			return s.strInto(&r.File)
		case "c":
			c, err := s.str()
			if err != nil {
				return err
			}
			class, ok := ParseClass(string(c))
			if !ok {
				return fmt.Errorf("unknown class %q", c)
			}
			r.Class = class
			return nil
		case "giveup":
			r.GiveUp = true
			return s.skip()
		case "d":
			return s.floatInto(&r.Seconds)
		case "x":
			if r.Kind == RecordMark {
				return s.intInto(&r.Offset)
			}
			var n int64
			err := s.intInto(&n)
			r.Exit = int(n)
			return err
		case "s":
			return s.strInto(&r.Signal)
		case "e":
			return s.strInto(&r.Message)
		case "cpu":
			return s.floatInto(&r.CPU)
		case "rss":
			return s.intInto(&r.MaxRSS)
		case "m":
			if p.shared && cap(p.metrics)-len(p.metrics) < 16 {
				p.metrics = make([]Metric, 0, 256)
			}
			from := len(p.metrics)
			err := s.object(func(name []byte) error {
				m := Metric{Name: s.text(name)}
				err := s.floatInto(&m.Value)
				p.metrics = append(p.metrics, m)
				return err
			})
			r.Metrics = p.metrics[from:len(p.metrics):len(p.metrics)]
			return err
		case "bs":
			return s.array(func() error {
				b, err := s.str()
				r.Blocks = append(r.Blocks, string(b))
				return err
			})
		case "w":
			raw, err := s.raw()
			if err != nil {
				return err
			}
			r.Worker = new(Holder)
			return json.Unmarshal(raw, r.Worker)
		}
		return s.skip()
	})
}
