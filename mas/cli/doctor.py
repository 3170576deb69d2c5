"""``doctor``: finding what is not as it should be, and mending it."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from mas import doctor as doctoring
from mas import render
from mas.cli.calls import Call
from mas.cli.options import DryRun, Json, Names, call_of
from mas.paths import is_session_id
from mas.reconcile import NOTES, Finding, Report

_INDENT = 10
"""Where a text begins on a terminal, behind the first eight characters of an id."""


def doctor(
    context: typer.Context,
    names: Names = None,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="mend what can be mended")] = False,
    force: Annotated[bool, typer.Option("--force", help="also where many directories are missing at once")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Find what a crash, a person or another program left: of the whole root, or of the sessions named.

    What would lose something is mended only for sessions that are named. The exit code is 0 where all is well or was
    mended, 1 where something remains.
    """
    call = call_of(context)
    ids = [name if is_session_id(name) else call.mas.resolve(name) for name in names or []]
    mending = fix and not dry_run
    report = doctoring.mend(call.mas, ids, force=force) if mending else doctoring.look(call.mas, ids)
    if report.complaint:
        call.say(f"mas: tmux gave no answer, so nothing is said of teams: {report.complaint}")
    if as_json:
        call.json(_to_json(report))
    else:
        _show(call, report, named=bool(ids), planned=dry_run, mending=mending)
    return 1 if report.remaining else 0


def _to_json(report: Report) -> dict[str, object]:
    findings = [
        {**one.to_json(), "mended": report.mended.get(one) == "", "error": report.mended.get(one, "")}
        for one in report.findings
    ]
    return {"findings": findings, "count": len(findings), "remaining": len(report.remaining)}


def _show(call: Call, report: Report, *, named: bool, planned: bool, mending: bool) -> None:
    rows = [
        (one.session_id[:8], one.problem, one.text, _fate(report, one, named=named, planned=planned))
        for one in report.findings
    ]
    if not call.on_terminal:
        call.lines(
            render.tab_separated([(one.session_id, *row[1:]) for one, row in zip(report.findings, rows, strict=True)])
        )
    elif rows:
        call.lines([*_on_terminal(rows, call)])
    call.say(_verdict(report, named=named, mending=mending))


def _on_terminal(rows: Sequence[Sequence[str]], call: Call) -> Iterator[str]:
    """Each finding with what helps below it, broken between words: what helps is to be copied as it is."""
    yield render.paint("SESSION   WHAT IS THE MATTER, AND WHAT HELPS", "dim" if call.colour else None)
    for session_id, _, text, fate in rows:
        for at, line in enumerate(render.wrapped(render.one_line(text), call.width - _INDENT)):
            yield f"{'' if at else session_id:<{_INDENT}}{line}"
        for line in render.wrapped(render.one_line(fate), call.width - _INDENT - 2) if fate else ():
            yield f"{'':<{_INDENT + 2}}{line}"


def _fate(report: Report, one: Finding, *, named: bool, planned: bool) -> str:
    if one in report.mended:
        return report.mended[one] or "mended"
    if not one.action or one.problem in NOTES:
        return one.remedy
    if one.lossy and not named:
        return f"`mas doctor --fix {one.session_id[:8]}`"
    return f"would {one.action.replace('_', ' ')}" if planned else ""


def _verdict(report: Report, *, named: bool, mending: bool) -> str:
    left = len(report.remaining)
    if not report.findings:
        return "all is well"
    mended = sum(1 for how in report.mended.values() if not how)
    busy = sum(1 for one in report.findings if one.problem == "busy")
    others = len(report.findings) - left - mended - busy
    if not left:
        said = f"{mended} found and mended" if mended else "nothing that needs mending"
        return f"{said}; {busy} not looked at, call it again" if busy else said
    told = [f"{left} findings remain" if left != 1 else "1 finding remains"]
    told += [f"{count} {how}" for count, how in _beside(mended, others, busy) if count]
    return ", ".join(told) + ("" if mending else _hint(report, named=named))


def _beside(mended: int, others: int, busy: int) -> Sequence[tuple[int, str]]:
    return (mended, "mended"), (others, "left alone"), (busy, "not looked at")


def _hint(report: Report, *, named: bool) -> str:
    """What would mend which of the findings that remain; empty where only a person can mend them."""
    mendable = [one for one in report.remaining if one.action and (named or not one.lossy)]
    if not mendable:
        return ""
    ids = dict.fromkeys(one.session_id[:8] for one in mendable) if named else ()
    which = f"{len(mendable)} of them" if len(mendable) < len(report.remaining) else "them"
    return f"; `{' '.join(['mas doctor --fix', *ids])}` mends {which if len(report.remaining) > 1 else 'it'}"


COMMANDS = {"doctor": doctor}
