package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packRows writes packRows<width> for the panel widths of all machines.
func packRows() {
	for _, width := range []int{8, 16, 32} {
		TEXT(fmt.Sprintf("packRows%d", width), NOSPLIT, "func(k int, b *float32, ldb int, dst *float32, mask *int32)")
		Pragma("noescape")
		Doc(fmt.Sprintf("packRows%d copies k > 0 rows of b, ldb apart, to rows of %d without gaps. mask has", width, width),
			"as many elements: -1 copies a column, 0 makes it zero without reading it.")
		k, b, ldb, dst, mask := load("k"), load("b"), load("ldb"), load("dst"), load("mask")
		SHLQ(Imm(2), ldb)
		var masks []reg.VecVirtual
		for v := range width / 8 {
			x := YMM()
			VMOVUPS(at(mask, 32*v), x)
			masks = append(masks, x)
		}
		Label("row")
		for v, m := range masks {
			x := YMM()
			VMASKMOVPS(at(b, 32*v), m, x)
			VMOVUPS(x, at(dst, 32*v))
		}
		ADDQ(ldb, b)
		ADDQ(U32(uint32(4*width)), dst)
		DECQ(k)
		JNZ(LabelRef("row"))
		VZEROUPPER()
		RET()
	}
}

// packColumns writes packColumns, the transposing copy, in blocks of 8 x 8.
func packColumns() {
	TEXT("packColumns", NOSPLIT, "func(k int, b *float32, ldb int, dst *float32, width int, mask *int32)")
	Pragma("noescape")
	Doc("packColumns copies 8 rows of b, each of k elements and ldb apart, to 8 columns of",
		"dst, whose rows are width apart. mask has 8 elements: -1 for each of the",
		"k mod 8 last ones, then zeros.")
	k, b, ldb, dst, width := load("k"), load("b"), load("ldb"), load("dst"), load("width")
	SHLQ(Imm(2), ldb)
	SHLQ(Imm(2), width)
	b3, b6 := GP64(), GP64()
	LEAQ(plus(b, ldb, 2), b3)
	ADDQ(ldb, b3)
	LEAQ(plus(b3, ldb, 2), b6)
	ADDQ(ldb, b6)
	row := func(r int) Mem {
		base := []reg.Register{b, b3, b6}[r/3]
		if r%3 == 0 {
			return at(base, 0)
		}
		return plus(base, ldb, uint8(r%3))
	}
	Label("block")
	CMPQ(k, Imm(8))
	JL(LabelRef("rest"))
	var x [8]reg.VecVirtual
	for r := range x {
		x[r] = YMM()
		VMOVUPS(row(r), x[r])
	}
	for _, y := range transpose(x) {
		VMOVUPS(y, at(dst, 0))
		ADDQ(width, dst)
	}
	for _, ptr := range []reg.Register{b, b3, b6} {
		ADDQ(Imm(32), ptr)
	}
	SUBQ(Imm(8), k)
	JMP(LabelRef("block"))

	Label("rest")
	TESTQ(k, k)
	JZ(LabelRef("end"))
	mask := YMM()
	VMOVUPS(Mem{Base: load("mask")}, mask)
	for r := range x {
		x[r] = YMM()
		VMASKMOVPS(row(r), mask, x[r])
	}
	for _, y := range transpose(x) {
		VMOVUPS(y, at(dst, 0))
		ADDQ(width, dst)
		DECQ(k)
		JZ(LabelRef("end"))
	}
	Label("end")
	VZEROUPPER()
	RET()
}

// transpose returns the columns of 8 rows: pairs, fours, then halves.
func transpose(x [8]reg.VecVirtual) [8]reg.VecVirtual {
	var t, u, out [8]reg.VecVirtual
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(x[i+1], x[i], t[i])
		VUNPCKHPS(x[i+1], x[i], t[i+1])
	}
	for i := 0; i < 8; i += 4 {
		for j := range 4 {
			u[i+j] = YMM()
			VSHUFPS(Imm(uint64(0x44+0xaa*(j%2))), t[i+2+j/2], t[i+j/2], u[i+j])
		}
	}
	for j := range 4 {
		out[j], out[j+4] = YMM(), YMM()
		VPERM2F128(Imm(0x20), u[j+4], u[j], out[j])
		VPERM2F128(Imm(0x31), u[j+4], u[j], out[j+4])
	}
	return out
}
