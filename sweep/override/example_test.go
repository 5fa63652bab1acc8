package override_test

import (
	"fmt"
	"strings"

	"orch/sweep/override"
)

func ExampleParse() {
	for _, s := range []string{"training.lr=1e-3", "+model@encoder=net5", "~scheduler", "m={betas:[0.9,'x'],nesterov:true}"} {
		o, err := override.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(o.Op, o.Key, o.Package, o.Value.Kind(), o.Value.Text())
	}
	// Output:
	// change training.lr  float 0.001
	// add model encoder string net5
	// del scheduler  null null
	// change m  map {betas:[0.9,x],nesterov:true}
}

// An error says what was expected, where, and how to write it.
func ExampleParse_error() {
	_, err := override.Parse("data.root=~/digits")
	fmt.Println(err)
	_, err = override.Parse("lr=rnage(0,1,0.1)")
	fmt.Println(err)
	// Output:
	// "~" is not allowed in an unquoted value: quote the value, as in key='~/data' (column 10)
	//   data.root=~/digits
	//             ^
	// unknown function rnage (did you mean range?); to use it as text, quote the value (column 3)
	//   lr=rnage(0,1,0.1)
	//      ^
}

func ExampleSweep_Values() {
	env := override.Env{Options: func(group string) []string { return []string{"net2", "net5", "resnet"} }}
	for _, s := range []string{"lr=range(0,1,0.25)", "model=glob(net*)", "k=1,'1',true,null", "lr=sort(range(0,5,2),reverse=true)"} {
		o, err := override.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		values, err := o.Sweep.Values(env)
		if err != nil {
			fmt.Println(err)
			continue
		}
		var jobs []string
		for _, v := range values {
			jobs = append(jobs, o.With(v).Line())
		}
		fmt.Println(strings.Join(jobs, " "))
	}
	// Output:
	// lr=0.0 lr=0.25 lr=0.5 lr=0.75
	// model=net2 model=net5
	// k=1 k='1' k=True k=null
	// lr=4 lr=2 lr=0
}

// Counting a sweep takes no time, however large it is.
func ExampleSweep_Len() {
	_, sweep, _ := override.ParseValue("range(0,1e12)")
	fmt.Println(sweep.Len(override.Env{}))
	// Output: 1000000000000 <nil>
}

func ExampleOverride_SingleRun() {
	o, _ := override.Parse("lr=0.1,0.2")
	fmt.Println(o.SingleRun())
	// Output:
	// lr=0.1,0.2 stands for several values, and this is a single run. What did you mean?
	//   a list:    'lr=[0.1,0.2]'
	//   a text:    "lr='0.1,0.2'"
	//   a sweep:   --multirun lr=0.1,0.2
}

func ExampleExplain() {
	fmt.Println(string(override.Explain("xs=[1,1.0,'1',one]", override.Env{})))
	fmt.Println(string(override.Explain("seed=range(2)", override.Env{})))
	// Output:
	// {"in":"xs=[1,1.0,'1',one]","kind":"override","expect":{"op":"change","key":"xs","value":[1,1.0,{"$quoted":"1"},"one"],"canon":"xs=[1,1.0,'1',one]"}}
	// {"in":"seed=range(2)","kind":"sweep","expect":{"op":"change","key":"seed","sweep":"range","start":0,"stop":2,"step":1,"values":[0,1],"jobs":["seed=0","seed=1"]}}
}

func ExampleNearest() {
	fmt.Println(override.Nearest("learning_rte", []string{"epochs", "learning_rate"}))
	// Output: learning_rate
}
