"""The base of the values that are handed out: equal by their fields, never changed, quickly made as a class. Pure."""

from collections.abc import Callable
from typing import Any, ClassVar, dataclass_transform


class _WhenAsked:
    """What a class tells of itself, worked out when somebody asks: hardly any call of mas does."""

    def __init__(self, work_out: Callable[[type["Frozen"]], Any]) -> None:
        self._work_out = work_out

    def __get__(self, value: object, kind: type["Frozen"]) -> Any:
        return self._work_out(kind)


def _fields(kind: type["Frozen"]) -> dict[str, Any]:
    """The fields as the functions of ``dataclasses`` want them."""
    from dataclasses import dataclass  # noqa: PLC0415  see above

    plain = type(kind.__name__, (), {"__annotations__": dict(kind.__annotations__)})
    return dataclass(plain).__dataclass_fields__  # type: ignore[attr-defined,no-any-return]


def _signature(kind: type["Frozen"]) -> Any:
    """How a value is made, for ``help`` and its like."""
    from inspect import Parameter, Signature  # noqa: PLC0415  see above

    defaults, form = kind._defaults, Parameter.POSITIONAL_OR_KEYWORD  # noqa: SLF001  defined below
    fields = kind.__annotations__.items()
    return Signature(
        [Parameter(name, form, default=defaults.get(name, Parameter.empty), annotation=what) for name, what in fields]
    )


@dataclass_transform(frozen_default=True)
class Frozen:
    """A value made of its annotated fields, by place or by name; one with a default may be left out.

    To callers it is a frozen dataclass, with ``dataclasses.replace`` and ``asdict``: equal to another of its own class
    with the same fields, hashable where they are. ``__post_init__`` may check or convert. A dataclass writes and
    compiles six functions for each class, at every start of the program; here they are written once.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[dict[str, Any]] = _WhenAsked(_fields)  # type: ignore[assignment]
    __signature__: ClassVar[Any] = _WhenAsked(_signature)
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Take the fields from the annotations."""
        cls.__match_args__ = tuple(cls.__annotations__)  # type: ignore[misc]  # for each class its own
        cls._defaults = {name: cls.__dict__[name] for name in cls.__match_args__ if name in cls.__dict__}

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
        given = {**self._defaults, **placed, **named}
        if len(values) > len(names) or len(given) != len(names) or not named.keys().isdisjoint(placed):
            msg = f"{type(self).__name__} takes {', '.join(names) or 'nothing'}, each once; "
            raise TypeError(msg + f"given were {len(values)} by place and {', '.join(named) or 'none'} by name")
        return {name: given[name] for name in names}

    def __post_init__(self) -> None:
        """Check or convert the fields."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse the change."""
        raise _frozen(name)

    def __delattr__(self, name: str) -> None:
        """Refuse the change."""
        raise _frozen(name)

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same class and has the same fields."""
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        """A hash of the fields; raises TypeError where one has none."""
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        """The value as it would be made."""
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _frozen(name: str) -> Exception:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415  a mistake of a caller

    return FrozenInstanceError(f"cannot change {name}: values are frozen")
