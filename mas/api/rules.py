"""Who may ask: what the head of a request must look like before anything else of it is read. Pure.

The order is fixed: form, Host, Origin and Sec-Fetch-Site, token, size and type of the body. A web page somewhere cannot
pass the second and third, whatever the user's browser knows; another user of the machine cannot pass the fourth.
"""

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mas.api.config import LOOPBACK_NAMES, Limits, ServeConfig
from mas.api.refusals import HttpError, bad_request

Header = tuple[bytes, bytes]

OPEN = "/health"
"""The one path that is answered without a token."""

METHODS = "GET, HEAD, POST, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range"
"""What a named origin's page may use."""

_EMPTY = [b"0"]
_SAFE = ("GET", "HEAD")
_OWN_FETCHES = (b"same-origin", b"none")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_JSON = re.compile(rb'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE)
_MESSAGES = re.compile(r"/message|/sessions/[^/]*/messages")


class Head:
    """The head of a request: header names in lower case, each with its values in their order."""

    __slots__ = ("_values", "method", "path", "target")

    def __init__(self, method: str, path: str, target: bytes, headers: Iterable[Header]) -> None:
        self.method, self.path, self.target = method, path, target
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            self._values.setdefault(name, []).append(value)

    def all(self, name: bytes) -> Sequence[bytes]:
        """The values of a header, in their order."""
        return self._values.get(name, ())

    def one(self, name: bytes) -> bytes | None:
        """The value of a header that may be given once; raises HttpError where it is given more often."""
        found = self.all(name)
        if len(found) > 1:
            raise bad_request(f"the header {name.decode('ascii', 'replace')} is given {len(found)} times")
        return found[0] if found else None

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return b"transfer-encoding" in self._values or self._values.get(b"content-length", _EMPTY) != _EMPTY


@dataclass(frozen=True, slots=True)
class Rules:
    """What one server demands of every request."""

    hosts: frozenset[bytes]
    port: int
    own_origins: frozenset[bytes]
    origins: frozenset[bytes]
    token: bytes | None
    any_address: bool = False
    """Whether a Host may be any numeric address: a rebound name is never one."""
    limits: Limits = field(default_factory=Limits)

    def most(self, path: str) -> int:
        """How many bytes a body may have."""
        return self.limits.message_body if _MESSAGES.fullmatch(path) else self.limits.body


def rules_of(config: ServeConfig) -> Rules:
    """The rules of a server that listens at its final address."""
    names = (*LOOPBACK_NAMES, *config.names) + (() if config.uds else (_bracketed(config.host),))
    hosts = frozenset(_hosts(names, config))
    return Rules(
        hosts=hosts,
        port=config.port,
        own_origins=frozenset(b"http://" + host for host in hosts),
        origins=frozenset(origin.encode() for origin in config.origins),
        token=config.token.encode() if config.token is not None else None,
        any_address=config.allow_remote and config.uds is None,
        limits=config.limits,
    )


def _hosts(names: Iterable[str], config: ServeConfig) -> Iterable[bytes]:
    for name in names:
        host = name.lower().encode("ascii", "replace")
        if config.uds or config.port == 80:
            yield host
        if not config.uds:
            yield b"%b:%d" % (host, config.port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_head(head: Head, rules: Rules) -> None:
    """Raise the HttpError of a request that may not be served; see the module for the order."""
    _check_form(head)
    _check_host(head, rules)
    _check_origin(head, rules)
    if is_preflight(head, rules):
        return
    _check_token(head, rules)
    _check_body(head, rules)


def is_preflight(head: Head, rules: Rules) -> bool:
    """Whether a browser asks for a page of a named origin what that may do."""
    asks = head.method == "OPTIONS" and bool(head.all(b"access-control-request-method"))
    return asks and named_origin(head, rules) is not None


def named_origin(head: Head, rules: Rules) -> bytes | None:
    """The origin of the page that asks where the server was told to serve it."""
    origin = head.one(b"origin")
    return origin if origin in rules.origins else None


def _check_form(head: Head) -> None:
    if not head.target.startswith(b"/"):
        raise bad_request("the request's target is no path")
    lengths = head.all(b"content-length")
    if lengths and head.all(b"transfer-encoding"):
        raise bad_request("Content-Length and Transfer-Encoding are both given")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise bad_request("Content-Length is no length")


def _check_host(head: Head, rules: Rules) -> None:
    host = (head.one(b"host") or b"").lower()
    if host in rules.hosts or (rules.any_address and _is_address(host, rules.port)):
        return
    raise _forbidden(
        "the Host of this request is not this server", hint="use the address that `mas serve --status` says"
    )


def _is_address(host: bytes, port: int) -> bool:
    name, _, given = host.decode("ascii", "replace").rpartition(":")
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return given == str(port)


def _check_origin(head: Head, rules: Rules) -> None:
    origin = head.one(b"origin")
    if origin is not None and origin in rules.origins:
        return
    site = head.one(b"sec-fetch-site")
    if (origin is not None and origin not in rules.own_origins) or (site is not None and site not in _OWN_FETCHES):
        raise _forbidden("web pages of other origins are not served", hint="`mas serve --origin URL` names one that is")


def _check_token(head: Head, rules: Rules) -> None:
    if rules.token is None or (head.path == OPEN and head.method in _SAFE):
        return
    given = head.all(b"authorization")
    scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if not (hmac.compare_digest(token, rules.token) and scheme.lower() == b"bearer"):
        raise HttpError(
            401,
            "unauthorized",
            "a bearer token is needed",
            hint="send the header Authorization: Bearer TOKEN; `mas token` prints the token",
            headers={"WWW-Authenticate": 'Bearer realm="mas"'},
        )


def _check_body(head: Head, rules: Rules) -> None:
    if not head.has_body:
        return
    length = head.one(b"content-length")
    if length is not None and int(length) > rules.most(head.path):
        raise too_large(rules.most(head.path))
    if not _JSON.fullmatch(head.one(b"content-type") or b""):
        raise HttpError(
            415, "unsupported_media_type", "the body is no JSON", hint="send it as Content-Type: application/json"
        )


def too_large(most: int) -> HttpError:
    """The answer to a body that is too long."""
    return HttpError(413, "too_large", f"the body is longer than {most} bytes", hint="send a file's path")


def _forbidden(message: str, *, hint: str) -> HttpError:
    return HttpError(403, "forbidden", message, hint=hint)
