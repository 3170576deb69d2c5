"""Byte ranges of a file that grows: what a Range header asks for. Pure."""

import re

from mas.api.refusals import HttpError

_ONE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))", re.ASCII)


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of what is asked for; None for the whole, and for what is no single range of bytes.

    Raises HttpError where the file has no byte of it.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if not found:
        return None
    first, last, tail = found.groups()
    if tail is not None:
        begin, end = max(0, size - int(tail)), size - 1
    else:
        begin, end = int(first), min(int(last or size - 1), size - 1)
        if last and int(last) < begin:
            return None
    if begin > end:
        msg = f"the file has {size} bytes"
        raise HttpError(416, "range", msg, hint="ask for less", headers={"Content-Range": f"bytes */{size}"})
    return begin, end
