"""The bodies of requests, as the description of the API shows them.

Keys that nobody knows are dropped, as they always were; only a change of a record's fields must name fields it has.
"""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from mas.messages import MAX_BYTES

Mode = Literal["isolated", "legacy"]

ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
AgentId = Annotated[str, Field(pattern=r"^[0-9]{2}$", examples=["10"])]
Word = Annotated[str, Field(min_length=1, max_length=64)]


class Asked(BaseModel):
    """What every request has in common: a value is of its type, or refused."""

    model_config = ConfigDict(strict=True)


class AgentConfig(Asked):
    """What one agent of the team is to be told, and called. Its id must be one of the template's."""

    id: AgentId | None = None
    prompt: str | None = Field(None, min_length=1)
    name: Word | None = None
    model: Word | None = Field(None, examples=["sonnet"])


class UnitConfig(Asked):
    """One unit: its manager and its workers. ``unitId`` and ``name`` are kept and mean nothing."""

    unit_id: int | None = Field(None, alias="unitId", ge=1, le=64)
    name: Word | None = None
    manager: AgentConfig | None = None
    workers: list[AgentConfig] = Field(default_factory=list, max_length=64)


class TeamConfig(Asked):
    """The first agent of the team, and its units."""

    meta_manager: AgentConfig | None = Field(None, alias="metaManager")
    units: list[UnitConfig] | None = Field(None, max_length=64)


class RunRequest(TeamConfig):
    """A team to be started. ``metaManager`` and ``units`` may stand here or within ``agents``."""

    agents: TeamConfig | None = None
    session_mode: Mode = Field("legacy", alias="sessionMode")
    session_id: str | None = Field(None, alias="sessionId", pattern=ID_PATTERN)
    template: Word | None = Field(None, examples=["solo"])
    profile: Word | None = Field(
        None,
        validation_alias=AliasChoices("profile", "agentProfile"),
        description="the agent program; `agentProfile` is the same",
        examples=["claude"],
    )
    label: str = Field("", max_length=64)
    request: str = Field(
        "",
        validation_alias=AliasChoices("request", "featureRequest"),
        description="what the team is to work on; `featureRequest` is the same",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "sessionMode": "isolated",
                "template": "default",
                "label": "search",
                "request": "full-text search",
                "agents": {
                    "metaManager": {"id": "00", "prompt": "Plan the work."},
                    "units": [{"unitId": 1, "manager": {"id": "10", "prompt": "Wait for the plan."}, "workers": []}],
                },
            }
        }
    )

    def team_config(self) -> dict[str, Any]:
        """The part that says what the agents are told, in the shape in which it came."""
        chosen = {"agents", "meta_manager", "units"}
        return self.model_dump(include=chosen, by_alias=True, exclude_none=True, exclude_unset=True)


class ConnectRequest(Asked):
    """What to show when somebody attaches."""

    window: Word | None = Field(None, description="a window's name, or one that its unit also goes by: unit1, 1")

    model_config = ConfigDict(json_schema_extra={"example": {"window": "design"}})


class StopRequest(Asked):
    """How to stop. With ``force`` agents are not given time to end by themselves."""

    force: bool = False

    model_config = ConfigDict(json_schema_extra={"example": {"force": False}})


class RestoreRequest(Asked):
    """How to bring a team back. With ``force`` one that is up is stopped first."""

    force: bool = False

    model_config = ConfigDict(json_schema_extra={"example": {"force": True}})


class SessionMessageRequest(Asked):
    """A text for agents of a session. Without ``execute`` it is typed and not entered."""

    target: str = Field(min_length=1, max_length=1024, examples=["design"])
    message: str = Field(min_length=1, max_length=MAX_BYTES)
    sender: str | None = Field(None, max_length=64, description="an agent's id; the team's talk rules then hold")
    execute: bool = True
    queue: bool = Field(default=True, description="whether it may wait for an agent that is not up")
    answer: bool = Field(
        default=False, description="it answers what the agent asks, and goes to no agent that does not"
    )

    model_config = ConfigDict(json_schema_extra={"example": {"target": "10", "message": "Show me the plan."}})


class MessageRequest(SessionMessageRequest):
    """The same for the ``session`` that is named, or the only one that is active."""

    session: str | None = Field(None, min_length=1, max_length=128)


class TransitionRequest(Asked):
    """Where the work is to be."""

    status: Word

    model_config = ConfigDict(json_schema_extra={"example": {"status": "planning"}})


class EventRequest(Asked):
    """Something that happened. The fields of ``data`` depend on the type."""

    type: Word = Field(examples=["iteration_started"])
    data: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(json_schema_extra={"example": {"type": "iteration_started", "data": {"number": 1}}})


class UpdateRequest(Asked):
    """Fields of the record to change, in its own words. A field that is not known is refused."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"example": {"current_phase": "plan", "statistics": {"total_tasks": 7}}}
    )
