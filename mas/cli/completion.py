"""``completion``: a script that lets a shell complete verbs, options and the names of sessions.

The words are written into the script when it is made; what depends on the root is asked for while typing: the names of
sessions, templates and agent profiles, and a session's agents and windows.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from mas import events, following, profiles, teamfile, workspace
from mas.cli import answers, verbs
from mas.cli.calls import COMMON, Call
from mas.cli.options import call_of
from mas.cli.parse import build
from mas.lifecycle import SessionStatus
from mas.structs import Frozen


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Kind(StrEnum):
    """What is asked for while typing, besides the names of sessions, which `mas list` gives faster."""

    AGENTS = "agents"
    PROFILES = "profiles"
    TEMPLATES = "templates"
    WINDOWS = "windows"


VALUES: Mapping[str, Sequence[str]] = {
    "--until": following.WORDS,
    "--format": answers.FORMATS,
    "--to": [str(status) for status in SessionStatus],
    "record": list(events.TYPES),
    "session transition": [str(status) for status in SessionStatus],
    "path": [*answers.PLACES, "root"],
    "completion": list(Shell),
    "templates show": ["@templates"],
}
"""The words that may follow an option or a verb; one that begins with @ says what is asked for there."""

ASKED: Mapping[str, str] = {
    "--agent ID": "@agents",
    "--agent PROFILE": "@profiles",
    "--session ID": "@sessions",
    "--template NAME": "@templates",
    "--window NAME": "@windows",
}
"""What is asked for behind an option, by its name and that of its value in the help."""

FILES = ("--root", "--repo", "--config", "--file")
"""The options behind which a path is meant."""


class Spot(Frozen):
    """What may follow a verb: words, options, and whether sessions are named there."""

    verb: str
    words: tuple[str, ...]
    options: tuple[str, ...]
    values: Mapping[str, str]
    """The words that may follow an option with a value, short ones included; empty where nothing is known."""


def spots() -> Iterator[Spot]:
    """Every verb with its subcommands, and what may follow each."""
    for verb in verbs.ALL:
        function = verbs.command(verb)
        command = build(verb, function)
        if isinstance(function, Mapping):
            yield Spot(verb, tuple(command.commands), (), {})
            for name, inner in command.commands.items():
                yield _spot(f"{verb} {name}", inner)
        else:
            yield _spot(verb, command)
    for alias, verb in verbs.ALIASES.items():
        yield _spot(alias, build(verb, verbs.command(verb)))


def _spot(verb: str, command: Any) -> Spot:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    options = [name for one in shown for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]
    named = any((one.metavar or "").lstrip("[").startswith("ID") for one in shown if not one.opts[0].startswith("-"))
    words = (*VALUES.get(verb, ()), *["@sessions"][:named])
    return Spot(verb, words, tuple(sorted({*options, *COMMON, "--help"})), dict(_values(shown)))


def _values(params: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """The options that take a value, and what may stand there."""
    for one in params:
        if one.opts[0].startswith("-") and not getattr(one, "is_flag", False):
            name = next(name for name in one.opts if name.startswith("--"))
            words = ASKED.get(f"{name} {one.metavar}") or " ".join(VALUES.get(name, ()))
            yield from ((spelling, words) for spelling in one.opts)


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument()],
    *,
    words: Annotated[Kind | None, typer.Option("--words", hidden=True)] = None,
    session: Annotated[str | None, typer.Option("--session", hidden=True)] = None,
) -> int:
    """Print a completion script: eval "$(mas completion bash)", or for fish: mas completion fish | source."""
    if words:
        call_of(context).lines(_asked(call_of(context), words, session))
        return 0
    make = {Shell.BASH: _bash, Shell.ZSH: _zsh, Shell.FISH: _fish}[shell]
    call_of(context).out("\n".join(make(list(spots()))))
    return 0


def _asked(call: Call, kind: Kind, session: str | None) -> list[str]:
    """What a script asks for while somebody types."""
    if kind is Kind.TEMPLATES:
        return [one.name for one in workspace.list_templates(call.root)]
    if kind is Kind.PROFILES:
        return sorted(profiles.load(call.root, call.environ))
    team, _ = teamfile.stored_team(call.mas, call.mas.resolve(session))
    return [unit.name for unit in team.units] if kind is Kind.WINDOWS else [*team.ids]


def _first() -> list[str]:
    return sorted([*verbs.ALL, *verbs.ALIASES, "help", *COMMON])


def _table(found: Sequence[Spot]) -> Iterator[str]:
    """Two functions for bash and zsh: the words that may come next, and what is asked for where one begins with @."""
    yield "_mas_words() { # <verb> <second word> <word before>"
    yield '    case "$1 $3" in'
    for words, spellings in _behind(found).items():
        yield f"        {' | '.join(repr(one) for one in spellings)}) echo '{words}' && return ;;"
    yield "    esac"
    yield '    case "$1 $2" in'
    for spot in sorted(found, key=lambda one: one.verb.count(" "), reverse=True):
        pattern = f"'{spot.verb}'" if " " in spot.verb else f"'{spot.verb} '*"
        yield f"        {pattern}) echo '{' '.join([*spot.words, *spot.options])}' ;;"
    yield f"        *) echo '{' '.join(_first())}' ;;"
    yield "    esac"
    yield "}"
    yield """\
_mas_ask() { # <what> <session> <common option>...
    case $1 in
        sessions) mas "${@:3}" list --all --names ;;
        *) mas "${@:3}" completion bash --words "$1" ${2:+--session "$2"} ;;
    esac 2>/dev/null
}"""


def _behind(found: Sequence[Spot]) -> Mapping[str, Sequence[str]]:
    """The verbs with their options by what stands behind these; subcommands go by their first word."""
    spellings: dict[str, dict[str, None]] = {}
    for spot in found:
        for option, words in spot.values.items():
            spellings.setdefault(words, {})[f"{spot.verb.partition(' ')[0]} {option}"] = None
    return {words: [*names] for words, names in spellings.items()}


def _scan(found: Sequence[Spot], *, start: int, end: str, array: str) -> str:
    """Lines that find the verb and what follows it among the words typed, options and their values apart."""
    valued = sorted({option for spot in found for option in spot.values} - {*COMMON})
    return _SCAN.format(start=start, end=end, array=array, valued=" | ".join(valued))


_SCAN = """\
    for ((at = {start}; at < {end}; at++)); do
        case ${{{array}[at]}} in
            --root | --repo)
                common+=("${{{array}[at]}}" "${{{array}[at + 1]}}")
                ((at++))
                ;;
            {valued}) ((at++)) ;;
            -*) ;;
            *) if [[ -z $verb ]]; then verb=${{{array}[at]}}; else second=${{second:-${{{array}[at]}}}}; fi ;;
        esac
    done"""


def _bash(found: Sequence[Spot]) -> Iterator[str]:
    """A word with a = comes in three parts, since that is one of bash's word breaks."""
    yield '# completion of mas for bash: eval "$(mas completion bash)"'
    yield from _table(found)
    yield "_mas() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' second=''"
    yield "    local common=() at name shown"
    yield "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}"
    yield "    [[ $word == = ]] && word=''"
    yield _scan(found, start=1, end="COMP_CWORD", array="COMP_WORDS")
    yield f"""\
    COMPREPLY=()
    case $before in
        {" | ".join(FILES)})"""
    yield """\
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
    esac
    for name in $(_mas_words "$verb" "$second" "$before"); do
        if [[ $name == @* ]]; then
            while IFS= read -r name; do
                printf -v shown %q "$name"
                [[ $name == "$word"* || $shown == "$word"* ]] && COMPREPLY+=("$shown")
            done < <(_mas_ask "${name#@}" "$second" "${common[@]}")
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
    yield _scan(found, start=2, end="CURRENT", array="words")
    yield f"""\
    case $before in
        {" | ".join(FILES)})"""
    yield """\
            _files
            return
            ;;
    esac
    for name in ${(s: :)"$(_mas_words "$verb" "$second" "$before")"}; do
        if [[ $name == @* ]]; then
            found=("${(@f)$(_mas_ask "${name#@}" "$second" "${common[@]}")}")
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
            yield f"complete -c mas -n '{here}' -a '{_in_fish(spot.words)}'"
        short = [name for name in spot.values if not name.startswith("--")]
        for option in (*(name for name in spot.options if name not in COMMON), *short):
            spelling = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            words = spot.values.get(option, "")
            yield f"complete -c mas -n '{here}' {spelling}" + (f" -x -a '{_in_fish(words.split())}'" if words else "")


def _in_fish(words: Sequence[str]) -> str:
    asked = {"@sessions": "mas list --all --names"}
    commands = (asked.get(word, f"mas completion fish --words {word[1:]}") for word in words if word[0] == "@")
    return " ".join([*(word for word in words if word[0] != "@"), *(f"({one} 2>/dev/null)" for one in commands)])


COMMANDS = {"completion": completion}
