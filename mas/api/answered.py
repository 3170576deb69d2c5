"""The bodies of answers, as the description of the API shows them.

Nothing is checked against them while serving; a test holds them to what is served. An answer may hold more than is said
here, what is said here it always holds. For attributes in snake case the key is in camel case.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Status = Literal["active", "stopped", "error"]


class Answer(BaseModel):
    """What every answer of ours has in common: it may grow."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)


class Problem(Answer):
    """Every error: what is wrong, a word for programs, and what to do."""

    error: str
    code: str
    details: dict[str, Any] | list[Any]
    hint: str
    status: Literal["failed"]
    timestamp: str


class Health(Answer):
    """That the server answers."""

    status: Literal["ok"]
    timestamp: str


class About(Answer):
    """What this server is."""

    name: str
    version: str
    status: Literal["running"]
    timestamp: str
    endpoints: list[str]


class HttpServer(Answer):
    """The server itself."""

    running: bool
    port: int
    pid: int


class Agent(Answer):
    """An agent and its pane. One that ended is stopped, with whatever exit code.

    ``status`` error is one that a team which is up lacks, or of which tmux says nothing; ``problem`` then says so.
    """

    agent_id: str
    name: str
    status: Literal["running", "stopped", "error"]
    window: str
    pane: int
    model: str
    role: Literal["manager", "worker"]
    command: str
    exit_code: int | None
    working_dir: str


class Agents(Answer):
    """The agents of a session."""

    session_id: str
    agents: list[Agent]
    timestamp: str


class Overall(Answer):
    """The session that is meant where none is named; ``session`` is empty where there is none, or several."""

    status: Literal["running", "partial", "stopped", "error"]
    session: str
    agents: list[Agent]
    http_server: HttpServer
    timestamp: str


class Session(Answer):
    """A session as a list has it. ``sessionId`` is empty for a tmux session that nobody registered."""

    session_id: str
    tmux_session: str
    status: Status
    attached: bool
    stale: bool
    lifecycle: str
    mode: str
    session_mode: str
    label: str
    created_at: str
    started_at: str
    last_activity: str
    working_dir: str
    agent_count: int
    http_server_status: Literal["running"]


class Sessions(Answer):
    """A page of sessions: ``count`` of ``total`` that fit."""

    sessions: list[Session]
    total: int
    count: int
    timestamp: str


class Window(Answer):
    """A tmux window."""

    index: int
    name: str
    pane_count: int
    active: bool


class Unit(Answer):
    """A unit of the team and the directories of its agents."""

    name: str
    agents: list[str]
    paths: dict[str, str]


class LogFile(Answer):
    """A text log of a session."""

    name: str
    path: str
    bytes: int


class Detail(Session):
    """Everything about a session. Where its workspace is missing, ``status`` is error and ``problem`` says so."""

    session_dir: str
    project_dir: str
    unit_dir: str
    workflows_dir: str
    config_path: str
    units: list[Unit]
    agents: list[Agent]
    windows: list[Window]
    logs: list[LogFile]
    metadata: dict[str, str]
    config: dict[str, Any] | None
    progress: dict[str, Any] | None
    problem: str
    remedy: str
    timestamp: str


class Run(Answer):
    """A team that was started."""

    session_id: str
    tmux_session: str
    working_dir: str
    unit_dir: str
    workflows_dir: str
    session_mode: str
    started_at: str
    status: Literal["started"]
    timestamp: str


class Connection(Answer):
    """How to get to a session's terminal."""

    session_id: str
    tmux_session: str
    attach_command: str
    status: Literal["connected"]
    working_dir: str
    started_at: str
    connection_details: dict[str, Any]
    timestamp: str


class Stopped(Answer):
    """A team that is down; ``wasUp`` is false where it was before."""

    session_id: str
    status: Literal["stopped", "stopping"]
    was_up: bool
    timestamp: str


class Restored(Answer):
    """A team that is up again."""

    session_id: str
    tmux_session: str
    attach_command: str
    status: Literal["restored"]
    agents_started: int
    timestamp: str


class Deleted(Answer):
    """A session that is gone."""

    session_id: str
    status: Literal["deleted"]
    timestamp: str


class Sent(Answer):
    """A message and its fate, agent by agent: submitted, queued, refused or unknown.

    ``status`` is acknowledged where everybody has it or will, partial where somebody does not.
    """

    status: Literal["acknowledged", "partial"]
    session: str
    session_id: str
    message_id: str
    target: str
    message: str
    to: list[str]
    fates: dict[str, dict[str, str]]
    timestamp: str


class Messages(Answer):
    """The newest messages of a session, oldest first; ``more`` where there are older ones."""

    session_id: str
    messages: list[dict[str, Any]]
    total: int
    count: int
    more: bool
    timestamp: str


class MessageLog(Answer):
    """Messages of a session, newest first; ``more`` where there are older ones."""

    logs: list[dict[str, Any]]
    count: int
    more: bool
    session_id: str
    resolved_session_id: str
    channel: str
    timestamp: str


class Record(Answer):
    """The record of a session, in the words in which it is stored."""

    model_config = ConfigDict(extra="allow", alias_generator=None)

    session_id: str
    feature_request: str
    status: str
    created_at: str
    updated_at: str
    rev: int


class Event(Answer):
    """One record of a session's log."""

    seq: int
    timestamp: str
    type: str
    data: dict[str, Any]


class Events(Answer):
    """A page of a session's log. ``next`` is the number to give as ``since`` for the page behind it."""

    session_id: str
    events: list[Event]
    count: int
    next: int
    more: bool
    timestamp: str


class Progress(Answer):
    """How far the work is."""

    session_id: str
    lifecycle: str
    phase: str | None
    iterations_completed: int
    total_iterations: int
    files_changed: list[str]
    commands_executed: list[dict[str, Any]]
    duration_seconds: float
    overdue: bool
    iterations: list[dict[str, Any]]


class Checkpoint(Answer):
    """A state to go back to."""

    model_config = ConfigDict(extra="allow", alias_generator=None)

    seq: int
    iteration: int
    timestamp: str
    resumable: bool
    state_snapshot: dict[str, Any]


class Checkpoints(Answer):
    """The checkpoints of a session, oldest first."""

    session_id: str
    checkpoints: list[Checkpoint]
    count: int
