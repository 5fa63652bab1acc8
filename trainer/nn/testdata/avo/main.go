// Program avo writes kernels_amd64.s, the assembly of package nn:
//
//	go generate ./trainer/nn
//
// It knows two machines: AVX2 with FMA (16 registers of 8 floats) and AVX-512F
// (32 registers of 16). Everything is written once and generated for both
// where both gain; what only moves or touches memory exists for AVX2 alone.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64")
	multiply(machine{name: "AVX2", lanes: 8, rows: []int{6, 4, 2, 1}})
	multiply(machine{name: "AVX512", lanes: 16, rows: []int{8, 4, 2, 1}})
	packRows()
	packColumns()
	vectors()
	Generate()
}

// machine is an instruction set.
type machine struct {
	name  string
	lanes int   // floats a register
	rows  []int // of a tile: the full one, then those that make up any rest
}

func (m machine) register() reg.VecVirtual {
	if m.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func at(base reg.Register, disp int) Mem { return Mem{Base: base, Disp: disp} }

func plus(base, index reg.Register, scale uint8) Mem {
	return Mem{Base: base, Index: index, Scale: scale}
}

// load returns an argument in a register.
func load(name string) reg.Register { return Load(Param(name), GP64()) }

// argument returns where an argument lies.
func argument(name string) Mem {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}
