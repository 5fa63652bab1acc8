package nn

import (
	"fmt"
	"path"
	"testing"

	"github.com/BurntSushi/toml"

	"orch/configs"
	"orch/sweep/override"
)

// TestShippedConfigs: every option that orch ships for the groups of this
// trainer is accepted, and each model trains on the digits.
func TestShippedConfigs(t *testing.T) {
	for _, group := range []string{"model", "data", "training"} {
		files, err := configs.FS.ReadDir(group)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			t.Run(group+"/"+f.Name(), func(t *testing.T) {
				t.Parallel()
				var content map[string]any
				if _, err := toml.DecodeFS(configs.FS, path.Join(group, f.Name()), &content); err != nil {
					t.Fatal(err)
				}
				v, err := override.FromAny(content)
				if err != nil {
					t.Fatal(err)
				}
				c := config(t).Set(group, v)
				if f.Name() == "csv.toml" {
					c = c.Set("data.file", override.StringValue("t.csv")).Set("data.target", override.StringValue("c"))
				}
				if f.Name() == "linear.toml" {
					c = c.Set("data.task", override.StringValue("regression")).Set("data.name", override.StringValue("csv")).
						Set("data.file", override.StringValue("t.csv")).Set("data.target", override.StringValue("y"))
				}
				if errs := New().Check(c); len(errs) > 0 {
					t.Fatalf("Check = %v, want no problem", errs)
				}
				if name, _ := c.Get("data.name"); name.Text() == "idx" || name.Text() == "mnist" {
					return // their files are the user's
				}
				c = c.Set("training.epochs", override.IntValue(1))
				if name, _ := c.Get("data.name"); name.Text() != "csv" {
					c = c.Set("data.train_samples", override.IntValue(300))
				}
				run, rec := attempt(t, c)
				table(t, run.Workdir, 0.1)
				if err := New().Train(t.Context(), run); err != nil {
					t.Fatal(err)
				}
				if rec.results["test.loss"] == 0 {
					t.Errorf("results = %v, want a test.loss", fmt.Sprint(rec.results))
				}
			})
		}
	}
}
