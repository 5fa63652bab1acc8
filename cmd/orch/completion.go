package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeWord is the hidden command that the shells' scripts call.
const completeWord = "__complete"

var shells = []string{"bash", "zsh", "fish"}

func completionCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the script that completes orch's words in your shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "bash:  source <(orch completion bash)   in ~/.bashrc\n" +
			"zsh:   source <(orch completion zsh)    in ~/.zshrc, after compinit\n" +
			"fish:  orch completion fish > ~/.config/fish/completions/orch.fish\n" +
			"Commands, flags, config groups, options, keys, sweeps and runs.",
		Action: func(c *cli.Context) error {
			script, ok := completionScripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usage("orch completion wants a shell: %s%s", strings.Join(shells, ", "), didYouMean(c.Args().First(), shells))
			}
			_, err := fmt.Fprint(p.stdout, script)
			return err
		},
	}
}

// completionScripts hand the words so far to the binary and show its answers:
// one a line, for zsh and fish with a tab and an explanation. An answer that
// ends in = . , or / is not the whole word, so no blank follows it.
var completionScripts = map[string]string{
	"bash": `# bash completion for orch
_orch() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <("${1/#\~/$HOME}" ` + completeWord + ` bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.,/] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}
complete -F _orch orch
`,
	"zsh": `#compdef orch
_orch() {
	local line
	local -a whole parts whole_shown parts_shown
	while IFS= read -r line; do
		local word=${line%%$'\t'*} help=${line#*$'\t'}
		local shown=$word
		[[ -n $help ]] && shown="$word  -- $help"
		if [[ $word == *[=.,/] ]]; then
			parts+=("$word"); parts_shown+=("$shown")
		else
			whole+=("$word"); whole_shown+=("$shown")
		fi
	done < <("${words[1]}" ` + completeWord + ` words "${(@)words[2,CURRENT]}" 2>/dev/null)
	(( ${#parts} )) && compadd -l -S '' -d parts_shown -a parts
	(( ${#whole} )) && compadd -l -d whole_shown -a whole
}
if [[ $funcstack[1] == _orch ]]; then
	_orch "$@"
else
	compdef _orch orch
fi
`,
	"fish": `# fish completion for orch
function __orch_complete
	set -l words (commandline -opc)
	$words[1] ` + completeWord + ` words $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c orch -f -a '(__orch_complete)'
`,
}
