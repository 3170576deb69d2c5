"""The form of a checkpoint file: one record as it was, checksummed. Pure.

A checkpoint holds no other checkpoint, so the size of many grows with their number and no faster.
"""

import json
import re
from zlib import crc32

from mas.errors import DamagedError
from mas.record import OWN_KEYS
from mas.session import check_document
from mas.states import SessionCheckpoint
from mas.values import check_json

_NAME = r"(?a)([1-9][0-9]{0,14})\.json"
_MEMBER = b',"crc":"'
_SUFFIX = len(_MEMBER) + 8 + len(b'"}\n')


def name_of(seq: int) -> str:
    """File name of the checkpoint that stands at a record."""
    return f"{seq}.json"


def seq_of(name: str) -> int | None:
    """The record a checkpoint's file name stands for; None for any other name."""
    match = re.fullmatch(_NAME, name)
    return int(match[1]) if match else None


def encode(checkpoint: SessionCheckpoint) -> bytes:
    """The bytes of a checkpoint file; raises RefusedError for one that could not be read again."""
    state = {key: value for key, value in checkpoint.state_snapshot.items() if key not in OWN_KEYS or key == "rev"}
    members = checkpoint.to_dict() | {"state_snapshot": state}
    body = json.dumps(check_json(members, "the checkpoint"), separators=(",", ":")).encode("ascii")
    return b'%b%b%08x"}\n' % (body[:-1], _MEMBER, crc32(body))


def decode(raw: bytes, seq: int) -> SessionCheckpoint:
    """The checkpoint of these bytes; raises DamagedError unless it is whole, unchanged and of that record."""
    body, suffix = raw[:-_SUFFIX] + b"}", raw[-_SUFFIX:]
    if suffix != b'%b%08x"}\n' % (_MEMBER, crc32(body)):
        raise _damaged(seq, "its checksum differs")
    try:
        members = json.loads(body)
        found = SessionCheckpoint(
            members["iteration"], members["timestamp"], members["state_snapshot"], members["resumable"]
        )
        check_document(found.state_snapshot)
        stands_at = found.seq
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(seq, f"it describes no record ({type(error).__name__})") from None
    if stands_at != seq:
        raise _damaged(seq, f"it stands at record {stands_at}")
    return found


def _damaged(seq: int, why: str) -> DamagedError:
    return DamagedError(f"checkpoint {seq} is damaged: {why}", hint="an older one may be whole: `mas checkpoint list`")
