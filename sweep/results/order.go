package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Order is a decision that workers and Steps must see: a file in orders/ named
// by its cause, so that it is taken once however many come to it. Orders are
// never removed; a later order of the same subject with a higher number undoes
// an earlier one.
type Order struct {
	Format  int       `json:"v"`
	Action  Action    `json:"action"`
	Subject string    `json:"subject"` // ID of a run, or "sweep"
	Number  int       `json:"number"`  // per subject, from 1
	Cause   string    `json:"cause"`   // for people
	By      string    `json:"by"`
	Time    time.Time `json:"time"`
}

// OfSweep reports whether the order is about all runs of its sweep.
func (o *Order) OfSweep() bool { return o.Subject == wholeSweep }

// Action is what an order asks for.
type Action string

// The actions.
const (
	ActionCancel Action = "cancel" // end it if it runs, never start it
	ActionHold   Action = "hold"   // start no more of it
	ActionGo     Action = "go"     // undo the cancel or hold before
	ActionCount  Action = "count"  // no order: one more of a kind of error; see CountError
)

// wholeSweep is the subject of an order about all runs.
const wholeSweep = "sweep"

// Orders is the set of orders of a sweep.
type Orders struct {
	read   map[string]*Order // by file name
	latest map[string]*Order // by subject
	top    map[string]int    // by subject: the greatest number there is, of damaged ones too
	bad    []Problem         // of files that are passed over for good
	unread []Problem         // of files that may be readable the next time
}

// next returns the number of a subject's next order.
func (o *Orders) next(subject string) int { return o.top[subject] + 1 }

// Orders reads the orders that are not in known yet, which may be nil. A file
// that is no order, or cannot be read, keeps nobody from the others.
func (s *Sweep) Orders(known *Orders) (*Orders, error) {
	names, err := list(s.dir, "orders")
	if err != nil {
		return known, fmt.Errorf("list orders: %w", err)
	}
	if known == nil {
		known = &Orders{read: map[string]*Order{}, latest: map[string]*Order{}, top: map[string]int{}}
	}
	known.unread = nil
	for _, n := range names {
		if known.read[n] != nil {
			continue
		}
		o := new(Order)
		subject, number, ok := splitOrder(n)
		if !ok {
			known.read[n] = o // obeyed by nobody
			known.bad = append(known.bad, Problem{"orders/" + n, 0, foreign})
			continue
		}
		known.top[subject] = max(known.top[subject], number)
		var damaged *DamagedError
		var newer *NewerError
		switch err := decodeWhole(s.dir, "orders/"+n, o); {
		case err == nil:
			known.read[n] = o
			if old := known.latest[o.Subject]; old == nil || old.Number < o.Number {
				known.latest[o.Subject] = o
			}
		case errors.Is(err, fs.ErrNotExist):
		case errors.As(err, &newer):
			return known, err
		case errors.As(err, &damaged):
			known.read[n] = o // obeyed by nobody
			known.bad = append(known.bad, Problem{"orders/" + n, 0, damaged.Why})
		default:
			known.unread = append(known.unread, Problem{"orders/" + n, 0, err.Error()})
		}
	}
	return known, nil
}

// splitOrder splits an order's file name, <subject>.<number>.
func splitOrder(name string) (subject string, number int, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return "", 0, false
	}
	number, err := strconv.Atoi(name[dot+1:])
	return name[:dot], number, err == nil && number > 0 && strconv.Itoa(number) == name[dot+1:]
}

// Give publishes an order about a run, or about the whole sweep if run is
// empty. Giving what already holds changes nothing.
func (s *Sweep) Give(action Action, run, cause, by string) error {
	subject := run
	if subject == "" {
		subject = wholeSweep
	}
	var orders *Orders
	for {
		var err error
		if orders, err = s.Orders(orders); err != nil {
			return err
		}
		number := orders.next(subject)
		if o := orders.latest[subject]; o != nil && o.Action == action || o == nil && action == ActionGo {
			return nil
		}
		b, err := encodeWhole(Order{Format, action, subject, number, cause, by, time.Now().UTC()})
		if err != nil {
			return err
		}
		won, err := putNew(s.dir, fmt.Sprintf("orders/%s.%d", subject, number), b)
		if err != nil || won {
			return err
		}
	}
}

// CountError counts one more error of a kind, given by its class, exit code and
// message ([Alike] ones are the same), and returns how many there are now. All
// workers of the sweep count together. From limit on it counts no further, so
// there are at most limit files for each kind of error; counting begins anew
// after an order about the whole sweep, such as the go that undoes a hold.
func (s *Sweep) CountError(class Class, exit int, message string, limit int, by string) (int, error) {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s\x00%d\x00%s", class, exit, Alike(message))))
	var orders *Orders
	for {
		var err error
		if orders, err = s.Orders(orders); err != nil {
			return 0, err
		}
		epoch := 0
		if o := orders.latest[wholeSweep]; o != nil {
			epoch = o.Number
			if o.Action == ActionHold { // held already
				return limit, nil
			}
		}
		subject := fmt.Sprintf("error-%s-%d", hex.EncodeToString(sum[:8]), epoch)
		number := orders.next(subject)
		if number > limit {
			return limit, nil
		}
		b, err := encodeWhole(Order{Format, ActionCount, subject, number, message, by, time.Now().UTC()})
		if err != nil {
			return 0, err
		}
		won, err := putNew(s.dir, fmt.Sprintf("orders/%s.%d", subject, number), b)
		if err != nil || won {
			return number, err
		}
	}
}

// Epoch returns how many orders about the whole sweep there have been. Whoever
// lets it go on after a hold begins a new one.
func (o *Orders) Epoch() int {
	if o == nil || o.latest[wholeSweep] == nil {
		return 0
	}
	return o.latest[wholeSweep].Number
}

// Own returns the newest order about a run itself, if it stops it.
func (o *Orders) Own(run string) *Order {
	if x := o.latest[run]; x != nil && x.Action != ActionGo {
		return x
	}
	return nil
}

// Stops reports whether a run must not be started.
func (o *Orders) Stops(run string) bool { return o.Of(run) != nil }

// Of returns the order that stops a run, or nil.
func (o *Orders) Of(run string) *Order {
	if o == nil {
		return nil
	}
	for _, subject := range []string{run, wholeSweep} {
		if x := o.latest[subject]; x != nil && x.Action != ActionGo {
			return x
		}
	}
	return nil
}

// Cancelled reports whether a run that is executing must end.
func (o *Orders) Cancelled(run string) bool {
	x := o.Of(run)
	return x != nil && x.Action == ActionCancel
}

// String lists the orders in force, for people.
func (o *Orders) String() string {
	var parts []string
	for subject, x := range o.latest {
		if x.Action == ActionCancel || x.Action == ActionHold {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", x.Action, subject, x.Cause))
		}
	}
	return strings.Join(parts, "; ")
}
