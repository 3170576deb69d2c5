"""The bases of the values that are handed out: a few named fields, quickly made as a class. Pure.

To callers they are dataclasses, with ``dataclasses.replace``, ``asdict`` and ``fields``. A dataclass writes and
compiles up to six functions for each class, at every start of the program; here they are written once.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

Made = TypeVar("Made")
Value = TypeVar("Value", bound="_Fields")


def field(*, default_factory: type[Made]) -> Made:
    """A field whose default is made anew for each value, by calling that class."""
    return cast("Made", default_factory)


def replace(value: Value, **changes: Any) -> Value:
    """The value with other fields: what ``dataclasses.replace`` does, without loading that."""
    return type(value)(**{name: getattr(value, name) for name in value.__match_args__} | changes)


class _WhenAsked:
    """What a class tells of itself, worked out when somebody asks: hardly any call of mas does."""

    def __init__(self, work_out: Callable[[type["_Fields"]], Any]) -> None:
        self._work_out = work_out
        self._known: dict[type[_Fields], Any] = {}

    def __get__(self, value: object, kind: type["_Fields"]) -> Any:
        if kind not in self._known:
            self._known[kind] = self._work_out(kind)
        return self._known[kind]


def _dataclass(kind: type["_Fields"]) -> Any:
    """A dataclass of the same fields: what the functions of ``dataclasses`` ask for is taken from it."""
    from dataclasses import dataclass  # noqa: PLC0415  see above

    types, defaults = kind._types, kind._defaults  # noqa: SLF001  defined below
    fields = {name: _dataclass_field(default) for name, default in defaults.items()}
    return dataclass(type(kind.__name__, (), {"__annotations__": types, **fields}))


def _dataclass_field(default: Any) -> Any:
    import dataclasses  # noqa: PLC0415  see above

    if isinstance(default, type):
        return dataclasses.field(default_factory=default)
    return (
        dataclasses.field(default=default) if default.__hash__ else dataclasses.field(default_factory=lambda: default)
    )


def _signature(kind: type["_Fields"]) -> Any:
    """How a value is made, for ``help`` and its like."""
    from inspect import Parameter, Signature  # noqa: PLC0415  see above

    types, defaults, form = kind._types, kind._defaults, Parameter.POSITIONAL_OR_KEYWORD  # noqa: SLF001  defined below
    return Signature(
        [Parameter(name, form, default=defaults.get(name, Parameter.empty), annotation=types[name]) for name in types]
    )


class _Fields:  # noqa: PLW1641  what can be changed has no hash, and Frozen has one
    """A value made of its annotated fields, by place or by name; one with a default may be left out."""

    __match_args__: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[Any] = _WhenAsked(lambda kind: _dataclass(kind).__dataclass_fields__)
    __dataclass_params__: ClassVar[Any] = _WhenAsked(lambda kind: _dataclass(kind).__dataclass_params__)
    __signature__: ClassVar[Any] = _WhenAsked(_signature)
    __replace__ = replace
    _types: ClassVar[dict[str, Any]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _anew: ClassVar[dict[str, type[Any]]] = {}

    def __init_subclass__(cls) -> None:
        """Take the fields from the annotations, behind those of the class it is made from."""
        own = cls.__dict__
        cls._types = cls._types | cls.__annotations__
        cls._defaults = cls._defaults | {name: own[name] for name in cls.__annotations__ if name in own}
        cls.__match_args__ = tuple(cls._types)  # type: ignore[misc]  # for each class its own
        cls._anew = {name: kind for name, kind in cls._defaults.items() if isinstance(kind, type)}
        for name in cls._anew.keys() & own.keys():
            delattr(cls, name)  # a class may make such a part later, when it is asked for

    def __init__(self, *values: Any, **named: Any) -> None:
        """Take the fields; raises TypeError for one that is missing, unknown or given twice."""
        names = self.__match_args__
        if len(values) == len(names) and not named:
            self.__dict__.update(zip(names, values, strict=True))
        else:
            self.__dict__.update(self._bound(values, named))
        self.__post_init__()

    def _bound(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        names = self.__match_args__
        placed = dict(zip(names, values, strict=False))
        anew = {name: kind() for name, kind in self._anew.items() if name not in placed and name not in named}
        given = {**self._defaults, **anew, **placed, **named}
        if len(values) > len(names) or given.keys() != {*names} or not named.keys().isdisjoint(placed):
            msg = f"{type(self).__name__} takes {', '.join(names) or 'nothing'}, each once; "
            raise TypeError(msg + f"given were {len(values)} by place and {', '.join(named) or 'none'} by name")
        return {name: given[name] for name in names}

    def __post_init__(self) -> None:
        """Check or convert the fields."""

    def __repr__(self) -> str:
        """The value as it would be made."""
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in self._told().items())})"

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same class and has the same fields."""
        return self._told() == other._told() if type(other) is type(self) else NotImplemented

    def _told(self) -> dict[str, Any]:
        """The fields by which a value is compared and shown."""
        return {name: getattr(self, name) for name in self.__match_args__}


@dataclass_transform(field_specifiers=(field,))
class Struct(_Fields):
    """A value that may be changed; therefore it has no hash."""


@dataclass_transform(frozen_default=True)
class Frozen(_Fields):
    """A value that never changes, and is hashable where its fields are."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse the change."""
        raise _frozen(name)

    def __delattr__(self, name: str) -> None:
        """Refuse the change."""
        raise _frozen(name)

    def __hash__(self) -> int:
        """A hash of the fields; raises TypeError where one has none."""
        return hash((type(self), *vars(self).values()))

    def _told(self) -> dict[str, Any]:
        return vars(self)


def _frozen(name: str) -> Exception:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415  a mistake of a caller

    return FrozenInstanceError(f"cannot change {name}: values are frozen")
