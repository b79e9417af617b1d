"""The command `completion`: shells complete commands, options and names of targets.

Completions are lists of words, which need no library: shtab has 1,500 lines.
"""

import re
from collections.abc import Mapping

from exporter.settings import FLAGS

SHELLS = ("bash", "zsh", "fish")
_BASH = """\
_pingone_flow_exporter() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command="" words="" each
  COMPREPLY=()
  for each in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    case $each in {names}) command=$each; break ;; esac
  done
  case ${{COMP_WORDS[COMP_CWORD-1]}} in
    --log.level) words="debug info warning error" ;;
    --log.format) words="logfmt json" ;;
    --*.file|--script) return ;;
    *) case $command in
      "") words="{commands}" ;;
{cases}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _pingone_flow_exporter {program}
"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
_FISH = """\
complete -c {program} -n __fish_use_subcommand -a '{commands}'
{cases}
"""


def completion(shell: str, program: str, usages: Mapping[str, str]) -> str:
    """Return the completion script of a shell; the usage of each command lists all of its options."""
    words = {
        name: " ".join(["--help", *re.findall(r"--[a-z][\w.-]+", text)]) for name, text in usages.items()
    }
    words["probe"] += f" $({program} completion targets 2>/dev/null)"
    words["completion"] += f" {' '.join(SHELLS)}"
    if shell == "fish":
        words["probe"] = words["probe"].replace("$(", "(")
        form, text = "complete -c {program} -n '__fish_seen_subcommand_from {0}' -a '{1}'", _FISH
    else:
        form, text = '      {0}) words="{1}" ;;', _BASH if shell == "bash" else f"{_ZSH}{_BASH}"
    cases = "\n".join(form.format(*each, program=program) for each in words.items())
    commands = " ".join([*words, "--help", "--version", *FLAGS])
    return text.format(program=program, commands=commands, names="|".join(words), cases=cases).rstrip()
