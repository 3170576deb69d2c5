"""A stand-in for an agent: a full-screen terminal program that is as difficult as the real ones.

    python stub_agent.py RECEIVED [--deaf SECONDS] [--slow SECONDS] [--ignore] [--apart] [--ask]

It asks for bracketed paste and writes each text that was submitted to it into RECEIVED, one JSON string a line.
``--deaf`` swallows an Enter that comes sooner than that after a paste, ``--slow`` shows its prompt only after a while,
``--ignore`` ignores HUP and TERM, ``--apart`` starts a process in a session of its own, ``--ask`` begins with a
question for permission. The text ``/exit N`` ends it with that code, ``/ask`` makes it ask. While it asks it reads no
pastes; a digit chooses at once, an Enter the first choice. What was chosen is written into ``chosen``.
"""

import argparse
import json
import os
import select
import signal
import sys
import termios
import time
import tty
from pathlib import Path

BEGIN, END = b"\x1b[200~", b"\x1b[201~"
PROMPT = "> "


class Agent:
    def __init__(self, options: argparse.Namespace) -> None:
        self.received = Path(options.received)
        self.deaf = options.deaf
        self.asking = options.ask
        self.text = b""
        self.pending = b""
        self.pasting = False
        self.pasted = 0.0

    def run(self) -> None:
        self.draw()
        while data := os.read(0, 1 << 16):
            self.pending += data
            while self.take():
                pass
            self.draw()

    def take(self) -> bool:
        """Take one piece of the input: a mark of the paste, or what stands before the next one."""
        if any(mark.startswith(self.pending) and mark != self.pending for mark in (BEGIN, END)):
            return False
        for mark in (BEGIN, END):
            if self.pending.startswith(mark):
                self.pending = self.pending[len(mark) :]
                self.pasting = mark == BEGIN
                self.pasted = time.monotonic()
                return True
        found = self.pending.find(b"\x1b", 1)
        piece, self.pending = (self.pending, b"") if found < 0 else (self.pending[:found], self.pending[found:])
        if self.pasting and not self.asking:
            self.text += piece
        elif self.pasting:
            pass
        else:
            self.type(piece)
        return bool(self.pending)

    def type(self, piece: bytes) -> None:
        for byte in piece:
            if self.asking and byte in b"123":
                self.choose(chr(byte))
            elif byte != 13:
                self.text += bytes([byte])
            elif self.asking:
                self.choose("1")
            elif time.monotonic() - self.pasted >= self.deaf:
                self.submit()

    def choose(self, choice: str) -> None:
        self.asking, self.text = False, b""
        with self.received.with_name("chosen").open("a") as file:
            file.write(choice)

    def submit(self) -> None:
        text, self.text = self.text.decode("utf-8", "surrogateescape"), b""
        with self.received.open("a") as file:
            file.write(json.dumps(text) + "\n")
        if text.startswith("/exit"):
            sys.exit(int(text.split()[1]))
        self.asking = text == "/ask"

    def draw(self) -> None:
        shown = self.text[-60:].decode("utf-8", "replace").replace("\n", " ")
        above = "May I? > 1. Yes" if self.asking else f"{len(self.text)} bytes"
        os.write(1, f"\x1b[2J\x1b[H{above}\r\n{PROMPT}{shown}".encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("received")
    parser.add_argument("--deaf", type=float, default=0.0)
    parser.add_argument("--slow", type=float, default=0.0)
    for flag in ("--ignore", "--apart", "--ask"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    if options.ignore:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.apart and os.fork() == 0:
        os.setsid()
        signal.pause()
    before = termios.tcgetattr(0)
    tty.setraw(0)
    select.select([], [], [], options.slow)
    os.write(1, b"\x1b[?2004h")
    try:
        Agent(options).run()
    finally:
        os.write(1, b"\x1b[?2004l")
        termios.tcsetattr(0, termios.TCSANOW, before)


if __name__ == "__main__":
    main()
