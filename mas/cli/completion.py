"""``completion``: a script that lets a shell complete verbs, options and the names of sessions.

The words are written into the script when it is made; only the names of sessions are asked for while typing.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer

from mas import events, following
from mas.cli import answers, verbs
from mas.cli.calls import COMMON
from mas.cli.options import call_of
from mas.cli.parse import build
from mas.lifecycle import SessionStatus


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


VALUES: Mapping[str, Sequence[str]] = {
    "--until": following.WORDS,
    "--format": answers.FORMATS,
    "--to": [str(status) for status in SessionStatus],
    "record": list(events.TYPES),
    "session transition": [str(status) for status in SessionStatus],
    "path": [*answers.PLACES, "root"],
    "completion": list(Shell),
}
"""The words that may follow an option or a verb."""


class Spot(NamedTuple):
    """What may follow a verb: words, options, and whether sessions are named there."""

    verb: str
    words: tuple[str, ...]
    options: tuple[str, ...]
    sessions: bool


def spots() -> Iterator[Spot]:
    """Every verb with its subcommands, and what may follow each."""
    for verb in verbs.ALL:
        function = verbs.command(verb)
        command = build(verb, function)
        if isinstance(function, Mapping):
            yield Spot(verb, tuple(command.commands), (), sessions=False)
            for name, inner in command.commands.items():
                yield _spot(f"{verb} {name}", inner)
        else:
            yield _spot(verb, command)
    for alias, verb in verbs.ALIASES.items():
        yield _spot(alias, build(verb, verbs.command(verb)))


def _spot(verb: str, command: Any) -> Spot:
    options = [name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]
    named = any((one.metavar or "").lstrip("[").startswith("ID") for one in command.params)
    return Spot(verb, tuple(VALUES.get(verb, ())), tuple(sorted({*options, *COMMON, "--help"})), named)


def completion(context: typer.Context, shell: Annotated[Shell, typer.Argument()]) -> int:
    """Print a completion script: eval "$(mas completion bash)", or for fish: mas completion fish | source."""
    make = {Shell.BASH: _bash, Shell.ZSH: _zsh, Shell.FISH: _fish}[shell]
    call_of(context).out("\n".join(make(list(spots()))))
    return 0


def _first() -> list[str]:
    return sorted([*verbs.ALL, *verbs.ALIASES, "help", *COMMON])


def _table(found: Sequence[Spot]) -> Iterator[str]:
    """A function for bash and zsh: the words that may come next, and ``@`` where sessions may be named."""
    yield "_mas_words() { # <verb> <second word> <word before>"
    yield "    case $3 in"
    for option in (name for name in VALUES if name.startswith("--")):
        yield f"        {option}) echo '{' '.join(VALUES[option])}'; return ;;"
    yield "    esac"
    yield '    case "$1 $2" in'
    for spot in sorted(found, key=lambda one: one.verb.count(" "), reverse=True):
        pattern = f"'{spot.verb}'" if " " in spot.verb else f"'{spot.verb} '*"
        yield f"        {pattern}) echo '{' '.join([*spot.words, *spot.options, *'@'[: spot.sessions]])}' ;;"
    yield f"        *) echo '{' '.join(_first())}' ;;"
    yield "    esac"
    yield "}"


_SCAN = """\
    for ((at = {start}; at < {end}; at++)); do
        case ${{{array}[at]}} in
            --root | --repo)
                common+=("${{{array}[at]}}" "${{{array}[at + 1]}}")
                ((at++))
                ;;
            -*) ;;
            *) if [[ -z $verb ]]; then verb=${{{array}[at]}}; else second=${{second:-${{{array}[at]}}}}; fi ;;
        esac
    done"""


def _bash(found: Sequence[Spot]) -> Iterator[str]:
    yield '# completion of mas for bash: eval "$(mas completion bash)"'
    yield from _table(found)
    yield "_mas() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' second='' at name"
    yield "    local common=()"
    yield _SCAN.format(start=1, end="COMP_CWORD", array="COMP_WORDS")
    yield """\
    COMPREPLY=()
    case $before in
        --root | --repo | --config)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
    esac
    for name in $(_mas_words "$verb" "$second" "$before"); do
        if [[ $name == @ ]]; then
            while IFS= read -r name; do
                [[ $name == "$word"* ]] && COMPREPLY+=("$(printf %q "$name")")
            done < <(mas "${common[@]}" list --names 2>/dev/null)
        elif [[ $name == "$word"* && ($name != -* || $word == -*) ]]; then
            COMPREPLY+=("$name")
        fi
    done
}
complete -F _mas mas"""


def _zsh(found: Sequence[Spot]) -> Iterator[str]:
    yield "#compdef mas"
    yield '# completion of mas for zsh: eval "$(mas completion zsh)"'
    yield from _table(found)
    yield "_mas() {"
    yield "    local before=${words[CURRENT - 1]} verb='' second='' at name"
    yield "    local -a common found"
    yield _SCAN.format(start=2, end="CURRENT", array="words")
    yield """\
    case $before in
        --root | --repo | --config)
            _files
            return
            ;;
    esac
    for name in ${(s: :)"$(_mas_words "$verb" "$second" "$before")"}; do
        if [[ $name == @ ]]; then
            found=("${(@f)$(mas "${common[@]}" list --names 2>/dev/null)}")
            compadd -- "${found[@]}"
        elif [[ $name != -* || ${words[CURRENT]} == -* ]]; then
            compadd -- "$name"
        fi
    done
}
compdef _mas mas"""


def _fish(found: Sequence[Spot]) -> Iterator[str]:
    yield "# completion of mas for fish: mas completion fish | source"
    yield "complete -c mas -f"
    yield f"complete -c mas -n __fish_use_subcommand -a '{' '.join(_first())}'"
    for name in COMMON:
        yield f"complete -c mas -l {name[2:]} -r -F"
    for spot in found:
        verb, _, second = spot.verb.partition(" ")
        here = f"__fish_seen_subcommand_from {verb}"
        if second:
            here += f"; and __fish_seen_subcommand_from {second}"
        if spot.words:
            yield f"complete -c mas -n '{here}' -a '{' '.join(spot.words)}'"
        if spot.sessions:
            yield f"complete -c mas -n '{here}' -a '(mas list --names 2>/dev/null)'"
        for option in (name for name in spot.options if name not in COMMON):
            words = f" -x -a '{' '.join(VALUES[option])}'" if option in VALUES else ""
            yield f"complete -c mas -n '{here}' -l {option[2:]}{words}"


COMMANDS = {"completion": completion}
