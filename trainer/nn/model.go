package nn

import (
	"maps"
	"slices"

	G "gorgonia.org/gorgonia"
)

// models are the known kinds of model: `model.kind`. Each adds itself to a
// graph, from x [batch, features] to the returned [batch, outputs]. A new one is
// a file that puts itself into this table, as the others do.
var models = map[ModelKind]func(b *builder, p *Model, x *G.Node, outputs int) (*G.Node, error){}

// ModelKind names an entry of the table of models.
type ModelKind string

// Choices lists the known kinds.
func (ModelKind) Choices() []string { return sortedNames(models) }

func sortedNames[K ~string, V any](m map[K]V) []string {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		names = append(names, string(k))
	}
	return names
}
