"""``migrate``: taking over what the earlier programs kept, and giving it back."""

from typing import Annotated

import typer

from mas import migration
from mas.cli.options import DryRun, Json, call_of


def migrate(
    context: typer.Context,
    *,
    dry_run: DryRun = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="give the originals back, byte for byte")] = False,
    as_json: Json = False,
) -> int:
    """Take over the sessions of earlier programs. Their originals are kept; running it again does nothing more."""
    call = call_of(context)
    planned, done = migration.plan, migration.migrate
    if rollback:
        planned, done = migration.rollback_plan, migration.rollback
    steps = (planned if dry_run else done)(call.mas)
    if as_json:
        call.json({"steps": [step.to_json() for step in steps], "count": len(steps), "dryRun": dry_run})
        return 1 if any(step.problem for step in steps) else 0
    for step in steps:
        call.out(f"{step.session_id}\t{step.problem or step.text}")
    for name in [] if rollback else migration.legacy_sessions(call.mas):
        call.say(f"{name} works in shared directories: `mas adopt {name}` registers it while it runs")
    if not steps:
        call.say("nothing to take over" if not rollback else "nothing was taken over")
    return 1 if any(step.problem for step in steps) else 0


COMMANDS = {"migrate": migrate}
