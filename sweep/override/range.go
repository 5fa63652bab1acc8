package override

import (
	"math"
	"math/big"
	"strconv"
)

// span is a range whose number of values is known.
//
// A range counts in decimal, on the numbers as they were typed: value k is
// start + k*step exactly, and only then the nearest float64. Adding binary
// fractions instead would give range(0,2.1,0.7) a fourth value and make the
// eighth of range(0,1,0.1) 0.7000000000000001.
type span struct {
	n int
	// at returns value i of n.
	at func(i int) Value
}

// span works out a range. If start, stop and step are all ints (or booleans, as
// in Python) so are the values, else all are floats.
func (s *Sweep) span() (span, error) {
	if start, stop, step, ok := s.small(); ok {
		if step == 0 {
			return span{}, s.zeroStep()
		}
		// Unsigned differences of int64 cannot overflow.
		var n uint64
		if step > 0 && start < stop {
			n = (uint64(stop)-uint64(start)-1)/uint64(step) + 1
		} else if step < 0 && start > stop {
			n = (uint64(start)-uint64(stop)-1)/(-uint64(step)) + 1
		}
		if n > math.MaxInt {
			return span{}, s.tooMany(strconv.FormatUint(n, 10))
		}
		return span{int(n), func(i int) Value { return IntValue(start + int64(i)*step) }}, nil
	}
	start, stop, step := rational(s.Start), rational(s.Stop), rational(s.Step)
	if start == nil || stop == nil || step == nil {
		return span{}, s.refuse(ClassNotFinite, "a range needs finite numbers: give it an end, or use choice(...)")
	}
	if step.Sign() == 0 {
		return span{}, s.zeroStep()
	}
	q := new(big.Rat).Sub(stop, start)
	q.Quo(q, step)
	n := new(big.Int)
	if q.Sign() > 0 { // the ceiling of (stop-start)/step
		n.Add(q.Num(), q.Denom())
		n.Sub(n, big.NewInt(1))
		n.Quo(n, q.Denom())
	}
	if !n.IsInt64() || n.Int64() > math.MaxInt {
		return span{}, s.tooMany(n.String())
	}
	sp := span{n: int(n.Int64())}
	exact := func(i int) *big.Rat {
		v := new(big.Rat).SetInt64(int64(i))
		return v.Add(v.Mul(v, step), start)
	}
	if s.Start.kind != Float && s.Stop.kind != Float && s.Step.kind != Float {
		sp.at = func(i int) Value { return bigValue(new(big.Int).Set(exact(i).Num())) }
		return sp, nil
	}
	if a, b, scale, ok := scaled(start, step, sp.n); ok {
		sp.at = func(i int) Value { return FloatValue(float64(a+int64(i)*b) / scale) }
		return sp, nil
	}
	sp.at = func(i int) Value {
		f, _ := exact(i).Float64()
		return FloatValue(f)
	}
	return sp, nil
}

func (s *Sweep) zeroStep() error {
	return s.refuse(ClassZeroStep, "the step of a range cannot be 0: give another, as in range(0,10,2)")
}

func (s *Sweep) tooMany(n string) error {
	if len(n) > 20 {
		n = "about 1e" + strconv.Itoa(len(n)-1)
	}
	return s.refuse(ClassTooMany, "this range has "+n+" values: make the step larger")
}

// small returns the three numbers of a range if all are ints within int64.
func (s *Sweep) small() (start, stop, step int64, ok bool) {
	var n [3]int64
	for i, v := range []Value{s.Start, s.Stop, s.Step} {
		if v.kind == Float || v.text != "" {
			return 0, 0, 0, false
		}
		n[i] = v.num
	}
	return n[0], n[1], n[2], true
}

// rational returns a number as the fraction that its decimal text says, or nil
// if it is infinite or no number.
func rational(v Value) *big.Rat {
	switch v.kind {
	case Bool:
		return new(big.Rat).SetInt64(v.num)
	case Int:
		if v.text == "" {
			return new(big.Rat).SetInt64(v.num)
		}
		r, ok := new(big.Rat).SetString(v.text)
		if !ok {
			return nil
		}
		return r
	case Float:
		if math.IsInf(v.float, 0) || math.IsNaN(v.float) {
			return nil
		}
		r, _ := new(big.Rat).SetString(strconv.FormatFloat(v.float, 'e', -1, 64))
		return r
	}
	return nil
}

// scaled returns integers a, b and a power of ten such that value k of a range
// is (a+k*b)/scale. Where all a+k*b are below 2^53 and the power at most 10^22,
// both sides of the division are exact, so its one rounding is the right one.
func scaled(start, step *big.Rat, n int) (a, b int64, scale float64, ok bool) {
	const exact = 1 << 53
	pow := big.NewInt(1)
	for e := 0; e <= 22; e++ {
		p := new(big.Rat).SetInt(pow)
		x, y := new(big.Rat).Mul(start, p), new(big.Rat).Mul(step, p)
		if x.IsInt() && y.IsInt() {
			last := new(big.Int).Mul(y.Num(), big.NewInt(int64(n)))
			last.Add(last, x.Num())
			for _, v := range []*big.Int{x.Num(), y.Num(), last} {
				if v.CmpAbs(big.NewInt(exact)) > 0 {
					return 0, 0, 0, false
				}
			}
			scale, _ = new(big.Float).SetInt(pow).Float64()
			return x.Num().Int64(), y.Num().Int64(), scale, true
		}
		pow.Mul(pow, big.NewInt(10))
	}
	return 0, 0, 0, false
}

// sortRange turns a range round if it runs the other way. The start it gets, the
// last value, is a float64 like any other: where start and step are more than 16
// digits apart its decimals, and so the values, may differ in the last place.
func (s *Sweep) sortRange(reverse bool) {
	step := rational(s.Step)
	if step == nil || step.Sign() == 0 || step.Sign() < 0 == reverse {
		return
	}
	sp, err := s.span()
	if err != nil || sp.n < 2 {
		return
	}
	first, last := sp.at(0), sp.at(sp.n-1)
	s.Start, s.Step = last, negate(s.Step)
	// It ends one step beyond its last value, which was its first.
	stop := rational(first)
	stop.Sub(stop, step)
	if first.kind != Float {
		s.Stop = bigValue(new(big.Int).Set(stop.Num()))
		return
	}
	f, _ := stop.Float64()
	s.Stop = FloatValue(f)
	if turned, err := s.span(); err == nil && turned.n == sp.n {
		return
	}
	// Rounded numbers may have room for one value more or less: half a step
	// beyond they have not.
	half := new(big.Rat).Quo(step, big.NewRat(-2, 1))
	f, _ = half.Add(half, rational(first)).Float64()
	s.Stop = FloatValue(f)
}

func negate(v Value) Value {
	if v.kind == Float {
		return FloatValue(-v.float)
	}
	r := rational(v)
	return bigValue(new(big.Int).Neg(r.Num()))
}
