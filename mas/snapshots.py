"""The form of ``metadata.json``: a record, how far its log was taken into account, and a checksum over all of it. Pure.

One top-level key a line, so that a person can read it and a diff shows what changed.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

from mas.record import OWN_KEYS, SCHEMA, Document

_MEMBER = b',\n  "checksum": "'
_SUFFIX = len(_MEMBER) + 8 + len(b'"\n}')
_raw_decode = json.JSONDecoder().raw_decode


class Snapshot(NamedTuple):
    """A decoded ``metadata.json``. ``size`` and ``crc`` say where in the log it stands, None where it names no log."""

    document: Document
    sound: bool
    schema: int = 0
    size: int | None = None
    crc: str = ""


def encode(document: Document, size: int, crc: str) -> bytes:
    """The bytes of a snapshot of ``document`` standing ``size`` bytes into its log, whose last line has that crc."""
    own = {"rev": document.get("rev", 0), "log": {"size": size, "crc": crc}, "schema": SCHEMA}
    body = encode_plain({name: value for name, value in document.items() if name not in OWN_KEYS} | own)[:-2]
    return b'%b%b%08x"\n}' % (body, _MEMBER, crc32(body))


def encode_plain(document: Mapping[str, Any]) -> bytes:
    """The same form without our own keys: a ``metadata.json`` as the earlier session manager kept it."""
    lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items())
    return ("{\n" + ",\n".join(lines) + "\n}").encode("ascii")


def decode(raw: bytes) -> Snapshot | None:
    """The snapshot of these bytes, ``sound`` where nobody else changed them; None where they are no JSON object."""
    suffix = raw[-_SUFFIX:]
    sound = suffix.startswith(_MEMBER) and suffix[len(_MEMBER) : -3] == b"%08x" % crc32(raw[:-_SUFFIX])
    try:
        # What we wrote is ASCII with nothing around it; others may write whatever JSON allows.
        document = _raw_decode(raw.decode("ascii"))[0] if sound else json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    log, schema = document.pop("log", None), document.pop("schema", None)
    document.pop("checksum", None)
    known = isinstance(log, dict) and type(log.get("size")) is int
    return Snapshot(
        document,
        sound,
        schema if type(schema) is int else 0,
        log["size"] if known else None,
        str(log.get("crc", "")) if known else "",
    )
