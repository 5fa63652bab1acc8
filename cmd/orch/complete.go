package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// candidate is a possible word, with an explanation where there is one.
type candidate struct{ word, help string }

// complete answers a shell: `__complete bash LINE WORDBREAKS` with what replaces
// the part of the line's last word after the last break, `__complete words
// WORD...` with whole words for the last one. It never fails: without an answer
// it prints nothing.
func (p *program) complete(args []string) int {
	if len(args) < 2 {
		return exitOK
	}
	words, cut := args[1:], 0
	if args[0] == "bash" {
		var quoted bool
		words, quoted = shellSplit(args[1])
		if len(words) < 2 {
			return exitOK
		}
		words = words[1:]
		if cur := words[len(words)-1]; !quoted && len(args) > 2 {
			cut = strings.LastIndexAny(cur, strings.Trim(args[2], " \t\n\"'\\")) + 1
		}
	}
	cur := words[len(words)-1]
	c := &completer{p: p, app: newApp(p), words: words[:len(words)-1], cur: cur}
	var out strings.Builder
	for _, x := range c.candidates() {
		if !strings.HasPrefix(x.word, cur) || strings.ContainsAny(x.word, "\n\t") {
			continue
		}
		out.WriteString(x.word[cut:])
		if args[0] != "bash" {
			out.WriteString("\t" + x.help)
		}
		out.WriteByte('\n')
	}
	io.WriteString(p.stdout, out.String())
	return exitOK
}

// shellSplit splits a command line as a shell does, up to its end, where the
// last word may be unfinished, or empty after a blank. quoted says that it
// ends inside quotes.
func shellSplit(line string) (words []string, quoted bool) {
	var word strings.Builder
	quote, in := rune(0), false
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0:
			if r == quote {
				quote = 0
				continue
			}
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	return append(words, word.String()), quote != 0
}

// completer finds the candidates for one word. It opens no journal and no log:
// sweeps and runs are the names of their folders.
type completer struct {
	p     *program
	app   *cli.App
	words []string // before the current one, without "orch"
	cur   string

	command *cli.Command
	args    []string          // positional ones before the current word
	flags   map[string]string // given before it
}

func (c *completer) candidates() []candidate {
	flags := c.app.Flags
	c.flags = map[string]string{}
	var pending cli.Flag // a flag that waits for its value
	literal := false     // behind --
	for _, w := range c.words {
		switch {
		case pending != nil:
			c.flags[pending.Names()[0]] = w
			pending = nil
		case w == "--" && c.command != nil:
			literal = true
		case strings.HasPrefix(w, "-") && w != "-" && !literal:
			name, value, given := strings.Cut(strings.TrimLeft(w, "-"), "=")
			f := findFlag(flags, name)
			switch {
			case f == nil:
			case given:
				c.flags[f.Names()[0]] = value
			case isSwitch(f):
				c.flags[f.Names()[0]] = "true"
			default:
				pending = f
			}
		case c.command == nil:
			if c.command = findCommand(c.app.Commands, w); c.command == nil {
				return nil
			}
			flags = c.command.Flags
		default:
			c.args = append(c.args, w)
		}
	}
	switch {
	case pending != nil:
		return c.flagValues(pending, "")
	case strings.HasPrefix(c.cur, "-") && !literal:
		if head, _, ok := strings.Cut(c.cur, "="); ok {
			if f := findFlag(flags, strings.TrimLeft(head, "-")); f != nil {
				return c.flagValues(f, head+"=")
			}
			return nil
		}
		return flagNames(flags)
	case c.command == nil:
		var list []candidate
		for _, cmd := range c.app.Commands {
			if !cmd.Hidden {
				list = append(list, candidate{cmd.Name, cmd.Usage})
			}
		}
		return append(list, candidate{"help", "list the commands"})
	}
	return c.positional()
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func flagNames(flags []cli.Flag) []candidate {
	var list []candidate
	for _, f := range flags {
		name := "--" + f.Names()[0]
		if !isSwitch(f) {
			name += "="
		}
		help := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			help = strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		list = append(list, candidate{name, help})
	}
	return append(list, candidate{"--help", "show help"})
}

// flagValues completes a flag's value; before is what of the word stands before
// it.
func (c *completer) flagValues(f cli.Flag, before string) []candidate {
	typed := strings.TrimPrefix(c.cur, before)
	list := func(words ...string) []candidate { return named(before, words, "") }
	switch f.Names()[0] {
	case "launcher":
		return list(c.source().Options("launcher")...)
	case "name", "sweep":
		return list(c.sweeps()...)
	case "config-name":
		return list(c.source().Options("")...)
	case "results", "config-dir", "out":
		return files(before, typed, "")
	case "output":
		return list(outputs...)
	case "color":
		return list(colourModes...)
	case "only":
		at := strings.LastIndexByte(typed, ',') + 1
		return named(before+typed[:at], formatNames(), "")
	case "cfg":
		return list("job", "launcher", "all")
	case "info":
		return list("defaults", "groups")
	case "log-level":
		return list("debug", "info", "warn", "error")
	case "filter", "sort", "columns":
		at := strings.LastIndexAny(typed, ", ") + 1
		if strings.HasPrefix(typed[at:], "-") {
			at++
		}
		var words []string
		for _, col := range fixedColumns {
			words = append(words, col.name)
		}
		return named(before+typed[:at], append(words, c.keys("train")...), "")
	}
	return nil
}

// named puts something before words.
func named(before string, words []string, help string) []candidate {
	list := make([]candidate, len(words))
	for i, w := range words {
		list[i] = candidate{before + w, help}
	}
	return list
}

// positional completes an argument of the command.
func (c *completer) positional() []candidate {
	switch c.command.Name {
	case "submit", "plan":
		if len(c.args) == 0 {
			return files("", c.cur, ".toml")
		}
		return c.overrides(c.args[0])
	case "train":
		return c.overrides("")
	case "explain":
		return c.overrides("")
	case "status", "collect", "report", "fsck", "prune", "rm":
		return named("", c.sweeps(), "sweep")
	case "show", "eval", "logs":
		if len(c.args) == 0 {
			return c.runs()
		}
	case "diff":
		return c.runs()
	case "cancel", "retry":
		return append(named("", c.sweeps(), "sweep"), c.runs()...)
	case "completion":
		return named("", shells, "")
	case "import":
		return named("", []string{"hydra"}, "a Hydra config folder (YAML)")
	}
	return nil
}

// files lists files with an ending, and folders, that begin with what is typed.
func files(before, typed, ending string) []candidate {
	dir, base := path.Split(typed)
	open := dir
	if open == "" {
		open = "."
	}
	var list []candidate
	for _, e := range names(filepath.FromSlash(open), base) {
		full := dir + e
		st, err := os.Stat(filepath.FromSlash(full))
		switch {
		case err != nil || strings.HasPrefix(e, ".") && !strings.HasPrefix(base, "."):
		case st.IsDir():
			list = append(list, candidate{before + full + "/", "folder"})
		case ending != "" && strings.HasSuffix(e, ending):
			list = append(list, candidate{before + full, ""})
		}
	}
	return list
}

// names lists what of a folder begins with a prefix, sorted; of a folder with
// very many entries only so many are looked at, to stay quick.
func names(dir, prefix string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 20_000
	all, _ := f.Readdirnames(most)
	all = slices.DeleteFunc(all, func(n string) bool { return !strings.HasPrefix(n, prefix) })
	slices.Sort(all)
	return all
}

func (c *completer) root() string {
	switch {
	case c.flags["results"] != "":
		return c.flags["results"]
	case os.Getenv("ORCH_RESULTS") != "":
		return os.Getenv("ORCH_RESULTS")
	}
	return "results"
}

// sweeps are the folders of the results tree that hold plans.
func (c *completer) sweeps() []string {
	return slices.DeleteFunc(names(c.root(), ""), func(n string) bool {
		st, err := os.Stat(filepath.Join(c.root(), n, "plans"))
		return err != nil || !st.IsDir() || strings.HasPrefix(n, ".")
	})
}

// runs are the folders of runs that have been started: in the sweep that is
// typed, else in all of them, or the sweeps themselves while there are many.
func (c *completer) runs() []candidate {
	const many = 200
	if sweep, run, ok := strings.Cut(c.cur, "/"); ok {
		words := append(names(filepath.Join(c.root(), sweep, "runs"), run), lastRun, failedRun)
		return named(sweep+"/", words, "")
	}
	list := []candidate{{lastRun, "the run that was started last"}, {failedRun, "the run that failed last"}}
	var words []candidate
	sweeps := c.sweeps()
	for _, s := range sweeps {
		words = append(words, named("", names(filepath.Join(c.root(), s, "runs"), c.cur), "run of "+s)...)
	}
	if len(words) <= many {
		list = append(list, words...)
	}
	for _, s := range sweeps {
		list = append(list, candidate{s + "/", fmt.Sprintf("a run of %s", s)})
	}
	return list
}
