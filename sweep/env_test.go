package sweep

import "testing"

// Only a list of names at the top is orch's: any other env is a key as others,
// of which reinforcement learning has many.
func TestSweepOverEnv(t *testing.T) {
	group := map[string]string{
		"env/cart.toml": "name = \"CartPole-v1\"\n",
		"env/acro.toml": "name = \"Acrobot-v1\"\n",
	}
	tests := []struct {
		name, text, path, want string
		files                  map[string]string
	}{
		{"a key", "[sweep]\nenv = [\"CartPole-v1\", \"Acrobot-v1\"]\n", "env", "CartPole-v1; Acrobot-v1", nil},
		{"a group", "[sweep]\nenv = [\"cart\", \"acro\"]\n", "env.name", "CartPole-v1; Acrobot-v1", group},
		{"a group beside the list", "env = [\"HOME\"]\n[sweep]\nenv = [\"cart\", \"acro\"]\n", "env.name", "CartPole-v1; Acrobot-v1", group},
		{"computed from it", "id = \"${env}-x\"\nenv = \"\"\n[sweep]\nenv = [\"a\", \"b\"]\n", "id", "a-x; b-x", nil},
		{"the list alone", "env = [\"HOME\"]\n[sweep]\nseed = [1, 2]\n", "env", "null; null", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := file("defaults = [\"train\"]\n" + test.text)
			if test.files != nil {
				req.Source = testSource(test.files)
			}
			if got := column(t, expand(t, req), test.path); got != test.want {
				t.Errorf("%s = %s, want %s", test.path, got, test.want)
			}
		})
	}
}
