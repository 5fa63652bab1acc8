package compose_test

import (
	"fmt"
	"testing/fstest"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// A config of two files, an override of each kind, and where a value is from.
func ExampleSource_Compose() {
	src := &compose.Source{Layers: []compose.Layer{{Label: "configs", FS: fstest.MapFS{
		"train.toml": {Data: []byte(`
defaults = [{model = "net2"}]
seed = 0
title = "${model.name} from ${seed}"
`)},
		"model/net2.toml": {Data: []byte("name = \"net2\"\nlayers = 2\n")},
		"model/net5.toml": {Data: []byte("name = \"net5\"\nlayers = 5\n")},
	}}}}
	choose, _ := override.Parse("model=net5") // a group's option
	set, _ := override.Parse("seed=7")        // a value
	config, err := src.Compose(compose.Primary{Name: "train"}, []override.Override{choose, set})
	if err != nil {
		fmt.Println(err)
		return
	}
	resolved, err := config.Resolve()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(resolved.TOML())
	fmt.Println()
	for _, key := range []string{"model.layers", "seed", "title"} {
		fmt.Printf("%s is from %s\n", key, config.Origin(key))
	}
	typo, _ := override.Parse("model.layer=6")
	_, err = config.With(typo, compose.CommandLine)
	fmt.Println(err)
	// Output:
	// seed = 7
	// title = "net5 from 7"
	//
	// [model]
	// name = "net5"
	// layers = 5
	//
	// model.layers is from configs/model/net5.toml:2
	// seed is from command line
	// title is from configs/train.toml:4
	// command line: model.layer=6: no key "model.layer" in the config (did you mean "model.layers"?)
}

// Runs of a sweep over the seed: composed once, then one delta each.
func ExampleConfig_Prepare() {
	src := &compose.Source{Layers: []compose.Layer{{Label: "configs", FS: fstest.MapFS{
		"train.toml": {Data: []byte("seed = 0\nlr = 0.1\ntitle = \"run ${seed}\"\n")},
	}}}}
	config, err := src.Compose(compose.Primary{Name: "train"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	template, err := config.Prepare([]string{"seed"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for seed := range 2 {
		delta, err := template.Apply([]override.Value{override.IntValue(int64(seed))})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(override.MapValue(delta...).Text())
	}
	// Output:
	// {seed:0,title:run 0}
	// {seed:1,title:run 1}
}
