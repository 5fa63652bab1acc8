package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors writes the loops over single elements, as package nn's vector.go
// has them in Go: each operation rounds by itself, so that both give the same
// bits. They wait for memory, not for arithmetic: AVX2 is enough.
func vectors() {
	relu()
	reluGrad()
	columnSums()
	sgd()
	momentum()
	adam()
	pool()
	poolGrad()
}

// function begins a function whose first parameter is a number of elements, a
// multiple of 8 and not 0.
func function(name, params string, doc ...string) {
	TEXT(name, NOSPLIT, "func(n int, "+params+")")
	Pragma("noescape")
	Doc(doc...)
}

// loop runs body for each 8 elements of the arrays.
func loop(body func(at func(array string) Mem), arrays ...string) {
	i, n := GP64(), load("n")
	base := map[string]reg.Register{}
	for _, a := range arrays {
		base[a] = load(a)
	}
	XORQ(i, i)
	Label("loop")
	body(func(a string) Mem { return Mem{Base: base[a], Index: i, Scale: 4} })
	ADDQ(Imm(8), i)
	CMPQ(i, n)
	JLT(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// constant is the i-th of the constants at base, each 8 times in a row.
func constant(base reg.Register, i int) Mem { return at(base, 32*i) }

func get(m Mem) reg.VecVirtual {
	x := YMM()
	VMOVUPS(m, x)
	return x
}

func relu() {
	function("reluAVX2", "y *float32", "reluAVX2 replaces what is below 0 by 0. NaN and -0 stay.")
	zero := YMM()
	VXORPS(zero, zero, zero)
	loop(func(at func(string) Mem) {
		x := get(at("y"))
		VMAXPS(x, zero, x) // the second operand wins if one is NaN or both are 0
		VMOVUPS(x, at("y"))
	}, "y")
}

func reluGrad() {
	function("reluGradAVX2", "y, grad, d *float32", "reluGradAVX2 computes d = g where y > 0, else 0.")
	zero := YMM()
	VXORPS(zero, zero, zero)
	loop(func(at func(string) Mem) {
		x := YMM()
		VCMPPS(Imm(1), at("y"), zero, x) // 0 < y, ordered
		VANDPS(at("grad"), x, x)
		VMOVUPS(x, at("d"))
	}, "y", "grad", "d")
}

func columnSums() {
	function("columnSumsAVX2", "rows int, grad *float32, cols int, d *float32",
		"columnSumsAVX2 computes d = the sum of rows > 0 rows of g, in their order, for n of",
		"its cols columns.")
	g, d, n, stride := load("grad"), load("d"), load("n"), load("cols")
	SHLQ(Imm(2), stride)
	block := func(vectors int) {
		var acc []reg.VecVirtual
		for range vectors {
			x := YMM()
			VXORPS(x, x, x)
			acc = append(acc, x)
		}
		row, rows := GP64(), load("rows")
		MOVQ(g, row)
		name := map[int]string{4: "four", 1: "one"}[vectors]
		Label(name + "row")
		for v, x := range acc {
			VADDPS(at(row, 32*v), x, x)
		}
		ADDQ(stride, row)
		DECQ(rows)
		JNZ(LabelRef(name + "row"))
		for v, x := range acc {
			VMOVUPS(x, at(d, 32*v))
		}
		ADDQ(U32(uint32(32*vectors)), g)
		ADDQ(U32(uint32(32*vectors)), d)
		SUBQ(U32(uint32(8*vectors)), n)
	}
	Label("four")
	CMPQ(n, Imm(32))
	JLT(LabelRef("one"))
	block(4)
	JMP(LabelRef("four"))
	Label("one")
	CMPQ(n, Imm(8))
	JLT(LabelRef("end"))
	block(1)
	JMP(LabelRef("one"))
	Label("end")
	VZEROUPPER()
	RET()
}

// direction computes g*scale + decay*w with the constants 0 and 1.
func direction(at func(string) Mem, c, w reg.Register) reg.VecVirtual {
	g, x := YMM(), YMM()
	VMOVUPS(at("grad"), g)
	VMULPS(constant(c, 0), g, g)
	VMULPS(constant(c, 1), w, x)
	VADDPS(x, g, g)
	return g
}

func sgd() {
	function("sgdAVX2", "w, grad, c *float32", "sgdAVX2 is the loop of sgd without momentum; c is scale, decay, rate.")
	c := load("c")
	loop(func(at func(string) Mem) {
		w := get(at("w"))
		g := direction(at, c, w)
		VMULPS(constant(c, 2), g, g)
		VSUBPS(g, w, w)
		VMOVUPS(w, at("w"))
	}, "w", "grad")
}

func momentum() {
	function("momentumAVX2", "w, v, grad, c *float32", "momentumAVX2 is the loop of sgd with momentum; c is scale, decay, rate, mu.")
	c := load("c")
	loop(func(at func(string) Mem) {
		w, v := get(at("w")), get(at("v"))
		g := direction(at, c, w)
		VMULPS(constant(c, 3), v, v)
		VADDPS(g, v, v)
		VMOVUPS(v, at("v"))
		VMULPS(constant(c, 2), v, v)
		VSUBPS(v, w, w)
		VMOVUPS(w, at("w"))
	}, "w", "v", "grad")
}

func adam() {
	function("adamAVX2", "w, m, v, grad, c *float32",
		"adamAVX2 is the loop of adam; c is scale, decay, b1, 1-b1, b2, 1-b2, 1/(1-b1^t), 1/(1-b2^t),",
		"rate, epsilon, keep.")
	c := load("c")
	loop(func(at func(string) Mem) {
		w, m, v, x := get(at("w")), get(at("m")), get(at("v")), YMM()
		g := direction(at, c, w)
		VMULPS(constant(c, 2), m, m)
		VMULPS(constant(c, 3), g, x)
		VADDPS(x, m, m)
		VMOVUPS(m, at("m"))
		VMULPS(constant(c, 4), v, v)
		VMULPS(constant(c, 5), g, x)
		VMULPS(g, x, x)
		VADDPS(x, v, v)
		VMOVUPS(v, at("v"))
		VMULPS(constant(c, 6), m, m)
		VMULPS(constant(c, 8), m, m)
		VMULPS(constant(c, 7), v, v)
		VSQRTPS(v, v)
		VADDPS(constant(c, 9), v, v)
		VDIVPS(v, m, m)
		VMULPS(constant(c, 10), w, w)
		VSUBPS(m, w, w)
		VMOVUPS(w, at("w"))
	}, "w", "m", "v", "grad")
}

// pool writes the loops of a 2x2 max-pool with ReLU over one row of its
// output: n channels, a multiple of 8, of some pixels.
func pool() {
	TEXT("poolAVX2", NOSPLIT, "func(n, pixels int, top, bottom, y *float32)")
	Pragma("noescape")
	Doc("poolAVX2 computes y, [pixels, n], as the largest of 0 and 2x2 pixels of n channels in the",
		"rows top and bottom. NaN wins.")
	top, bottom, y, pixels, n := load("top"), load("bottom"), load("y"), load("pixels"), load("n")
	zero := YMM()
	VXORPS(zero, zero, zero)
	SHLQ(Imm(2), n)
	ch := GP64()
	Label("pixel")
	XORQ(ch, ch)
	Label("channel")
	x := get(plus(top, ch, 1))
	right := GP64()
	LEAQ(plus(n, ch, 1), right)
	for _, mem := range []Mem{plus(top, right, 1), plus(bottom, ch, 1), plus(bottom, right, 1)} {
		next, nan := get(mem), YMM()
		VCMPPS(Imm(3), next, x, nan) // unordered
		VMAXPS(next, x, x)
		VORPS(nan, x, x) // all ones are a NaN
	}
	VMAXPS(x, zero, x)
	VMOVUPS(x, Mem{Base: y})
	ADDQ(Imm(32), y)
	ADDQ(Imm(32), ch)
	CMPQ(ch, n)
	JLT(LabelRef("channel"))
	LEAQ(plus(top, n, 2), top)
	LEAQ(plus(bottom, n, 2), bottom)
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}

func poolGrad() {
	TEXT("poolGradAVX2", NOSPLIT, "func(n, pixels int, top, bottom, y, grad, dtop, dbottom *float32)")
	Pragma("noescape")
	Doc("poolGradAVX2 gives each gradient to the first of the four inputs that is equal to y, if",
		"y > 0, and 0 to the others; the arrays are as for poolAVX2.")
	top, bottom, y, grad := load("top"), load("bottom"), load("y"), load("grad")
	dtop, dbottom, n := load("dtop"), load("dbottom"), load("n")
	pixels := argument("pixels")
	zero := YMM()
	VXORPS(zero, zero, zero)
	SHLQ(Imm(2), n)
	ch := GP64()
	Label("pixel")
	XORQ(ch, ch)
	Label("channel")
	right := GP64()
	LEAQ(plus(n, ch, 1), right)
	out, g, open := get(Mem{Base: y}), get(Mem{Base: grad}), YMM()
	VCMPPS(Imm(1), out, zero, open) // 0 < y: the gradient is still to give
	VANDPS(open, g, g)
	for _, p := range [][2]Mem{
		{plus(top, ch, 1), plus(dtop, ch, 1)}, {plus(top, right, 1), plus(dtop, right, 1)},
		{plus(bottom, ch, 1), plus(dbottom, ch, 1)}, {plus(bottom, right, 1), plus(dbottom, right, 1)},
	} {
		this := YMM()
		VCMPPS(Imm(0), p[0], out, this) // equal
		d := YMM()
		VANDPS(g, this, d)
		VMOVUPS(d, p[1])
		VANDNPS(g, this, g) // what is given is gone
	}
	ADDQ(Imm(32), y)
	ADDQ(Imm(32), grad)
	ADDQ(Imm(32), ch)
	CMPQ(ch, n)
	JLT(LabelRef("channel"))
	for _, p := range []reg.Register{top, bottom, dtop, dbottom} {
		LEAQ(plus(p, n, 2), p)
	}
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}
