package sweep_test

import (
	"fmt"
	"strings"
	"testing/fstest"

	"orch/sweep"
	"orch/sweep/compose"
)

func Example() {
	source := &compose.Source{Layers: []compose.Layer{{Label: "configs", FS: fstest.MapFS{
		"train.toml":      {Data: []byte("defaults = [{model = \"net2\"}]\nseed = 0\nlr = 0.1\n")},
		"model/net2.toml": {Data: []byte("layers = 2\n")},
		"model/net5.toml": {Data: []byte("layers = 5\n")},
	}}}}
	text := `
name = "depth"
defaults = ["train"]
[sweep]
model = ["net2", "net5"]
lr = "geomspace(0.01, 1, 3)"
exclude = [{model = "net5", lr = 1}]
`
	plan, err := sweep.Expand(sweep.Request{
		Source:    source,
		Primary:   compose.Primary{Path: "sweep.toml", Text: []byte(text)},
		Overrides: []string{"seed=7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := plan.Header()
	for run, err := range plan.Specs() {
		if err != nil {
			fmt.Println(err)
			return
		}
		config, err := run.Config(&header)
		if err != nil {
			fmt.Println(err)
			return
		}
		name := strings.TrimSuffix(run.Name, run.ID[:4]) // without the digits of its identity
		fmt.Println(name, config.Text())
	}
	fmt.Println(strings.Join(plan.Notes, "\n"))
	// Output:
	// 0000-net2-lr0.01- {model:{layers:2},seed:7,lr:0.01}
	// 0001-net2-lr0.1- {model:{layers:2},seed:7,lr:0.1}
	// 0002-net2-lr1.0- {model:{layers:2},seed:7,lr:1.0}
	// 0003-net5-lr0.01- {model:{layers:5},seed:7,lr:0.01}
	// 0004-net5-lr0.1- {model:{layers:5},seed:7,lr:0.1}
	// 1 run is dropped by exclude and include
}
