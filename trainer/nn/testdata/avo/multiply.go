package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panel holds the registers of a multiplication by one packed panel of b.
type panel struct {
	m         machine
	k, b      reg.Register // inner length; the panel
	a, rs, cs reg.Register // next tile's first element, strides in bytes
	c, ldc    reg.Register // the same of c
	left      Mem          // rows to do; in memory, since registers are few
	add       Mem          // 0: c counts as zero
	mask      reg.Register // AVX-512: columns of the last register
}

// multiply writes mul<machine>.
func multiply(m machine) {
	TEXT("mul"+m.name, NOSPLIT, "func(m, k, cols int, a *float32, rs, cs int, b, c *float32, ldc, add int, mask *int32)")
	Pragma("noescape")
	Doc("mul"+m.name+" adds a*b to c, or stores it there if add is 0. a is [m, k] with the",
		"given strides between rows and columns, b a packed panel of k rows, c [m, cols]",
		fmt.Sprintf("with rows ldc apart. A panel is %d wide, or %d if that is enough for cols.", 2*m.lanes, m.lanes),
		"mask has a -1 for each column in the last vector, then zeros, 8 in all; it is",
		"read by AVX2 alone. Each element is one chain of fused multiply-adds in ascending k.")
	cols := load("cols")
	p := panel{m: m, k: load("k"), b: load("b"), a: load("a"), rs: load("rs"), cs: load("cs"), c: load("c"), ldc: load("ldc"),
		left: argument("m"), add: argument("add")}
	for _, stride := range []reg.Register{p.rs, p.cs, p.ldc} {
		SHLQ(Imm(2), stride)
	}
	end := "end"
	TESTQ(p.k, p.k)
	JZ(LabelRef(end))
	if m.lanes == 16 {
		// mask = the low cols mod 16 bits, all 16 for 0.
		count, ones := GP64(), GP64()
		p.mask = K()
		MOVQ(cols, count)
		NEGQ(count)
		ANDQ(Imm(15), count)
		MOVQ(count, reg.RCX)
		MOVQ(U32(0xffff), ones)
		SHRQ(reg.CL, ones)
		KMOVW(ones.As32(), p.mask)
		CMPQ(cols, Imm(16))
		JLE(LabelRef("narrow"))
		p.tiles("wide", 2, true, end)
		Label("narrow")
		p.tiles("narrow", 1, true, end)
	} else {
		// Masked stores are slow on many machines of this kind, so that full
		// panels go without.
		CMPQ(cols, Imm(16))
		JEQ(LabelRef("wide"))
		CMPQ(cols, Imm(8))
		JEQ(LabelRef("narrow"))
		JL(LabelRef("narrowMasked"))
		p.tiles("wideMasked", 2, true, end)
		Label("wide")
		p.tiles("wide", 2, false, end)
		Label("narrow")
		p.tiles("narrow", 1, false, end)
		Label("narrowMasked")
		p.tiles("narrowMasked", 1, true, end)
	}
	Label(end)
	VZEROUPPER()
	RET()
}

// tiles writes the loop over the rows for panels of a number of vectors.
func (p panel) tiles(name string, vectors int, masked bool, end string) {
	for i, rows := range p.m.rows {
		this := fmt.Sprintf("%s%d", name, rows)
		next := end
		if i+1 < len(p.m.rows) {
			next = fmt.Sprintf("%s%d", name, p.m.rows[i+1])
		}
		Label(this)
		CMPQ(p.left, U32(uint32(rows)))
		JLT(LabelRef(next))
		p.tile(this, rows, vectors, masked)
		SUBQ(U32(uint32(rows)), p.left)
		JMP(LabelRef(this))
	}
}

// tile writes the multiplication of some rows of a by the panel, and moves a
// and c on to the rows below.
func (p panel) tile(name string, rows, vectors int, masked bool) {
	Commentf("%d rows, %d vectors", rows, vectors)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		for range vectors {
			acc[r] = append(acc[r], p.m.register())
		}
	}
	maskReg := reg.VecVirtual(nil)
	loadMask := func() {
		if masked && p.m.lanes == 8 {
			maskReg = YMM()
			VMOVUPS(Mem{Base: load("mask")}, maskReg)
		}
	}
	// c is walked twice: to load, and in the end to store.
	walk := GP64()
	MOVQ(p.c, walk)
	each := func(f func(mem Mem, x reg.VecVirtual, last bool)) {
		for r := range acc {
			for v, x := range acc[r] {
				f(at(walk, 4*p.m.lanes*v), x, masked && v == vectors-1)
			}
			if r < rows-1 {
				ADDQ(p.ldc, walk)
			}
		}
	}
	CMPQ(p.add, Imm(0))
	JE(LabelRef(name + "zero"))
	loadMask()
	each(func(mem Mem, x reg.VecVirtual, last bool) {
		switch {
		case !last:
			VMOVUPS(mem, x)
		case p.m.lanes == 16:
			VMOVUPS_Z(mem, p.mask, x)
		default:
			VMASKMOVPS(mem, maskReg, x)
		}
	})
	JMP(LabelRef(name + "go"))
	Label(name + "zero")
	p.clear(acc)
	Label(name + "go")

	// Pointers to every third row reach the others by an addressing mode.
	var a []reg.Register
	for r := 0; r < rows; r += 3 {
		ptr := GP64()
		if r == 0 {
			MOVQ(p.a, ptr)
		} else {
			LEAQ(plus(a[len(a)-1], p.rs, 2), ptr)
			ADDQ(p.rs, ptr)
		}
		a = append(a, ptr)
	}
	element := func(r int) Mem {
		if r%3 == 0 {
			return at(a[r/3], 0)
		}
		return plus(a[r/3], p.rs, uint8(r%3))
	}
	b, k := GP64(), GP64()
	MOVQ(p.b, b)
	MOVQ(p.k, k)
	Label(name + "loop")
	var bv []reg.VecVirtual
	for v := range vectors {
		x := p.m.register()
		VMOVUPS(at(b, 4*p.m.lanes*v), x)
		bv = append(bv, x)
	}
	for r := range acc {
		if vectors == 1 && p.m.lanes == 16 {
			VFMADD231PS_BCST(element(r), bv[0], acc[r][0])
			continue
		}
		x := p.m.register()
		VBROADCASTSS(element(r), x)
		for v := range vectors {
			VFMADD231PS(bv[v], x, acc[r][v])
		}
	}
	ADDQ(U32(uint32(4*p.m.lanes*vectors)), b)
	for _, ptr := range a {
		ADDQ(p.cs, ptr)
	}
	DECQ(k)
	JNZ(LabelRef(name + "loop"))

	MOVQ(p.c, walk)
	loadMask()
	each(func(mem Mem, x reg.VecVirtual, last bool) {
		switch {
		case !last:
			VMOVUPS(x, mem)
		case p.m.lanes == 16:
			VMOVUPS(x, p.mask, mem)
		default:
			VMASKMOVPS(x, maskReg, mem)
		}
	})
	LEAQ(plus(walk, p.ldc, 1), p.c)
	// a moves rows down: by the last pointer and what is left of three.
	n := GP64()
	IMUL3Q(U32(uint32(rows)), p.rs, n)
	ADDQ(n, p.a)
}

// clear writes zeros into registers.
func (p panel) clear(acc [][]reg.VecVirtual) {
	zero := acc[0][0]
	if p.m.lanes == 8 {
		VXORPS(zero, zero, zero)
	} else {
		// VXORPS would need AVX-512DQ; avo takes x in VPXORD x, x, x for an input.
		z := GP32()
		XORL(z, z)
		VPBROADCASTD(z, zero)
	}
	for r := range acc {
		for _, x := range acc[r] {
			if x != zero {
				VMOVUPS(zero, x)
			}
		}
	}
}
