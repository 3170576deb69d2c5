"""The trial of ``scripts/try-agent``: a real agent program, installed for it alone, in a team of one.

All it gets is private: its home, the root, the tmux server and a stand-in for its model server on this machine. What is
seen at each step is printed; a step that does not come out as it should is a failure.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import standin
from conftest import wait_for

MAS = Path(sys.executable).with_name("mas")
KEY = "stand-in-key"
SECONDS = 60


@dataclass(frozen=True)
class Program:
    """An agent program: the package it comes in, and what its home must hold for it to ask nothing at first."""

    package: str
    files: Callable[[str], Mapping[str, object]]
    env: Callable[[str], Mapping[str, str]]
    python: bool = False
    """Whether the package is one of Python and not of npm."""
    consent: str = "1"
    """What it takes for a yes."""

    @property
    def directory(self) -> str:
        """Where its program is, below the directory that it is installed in."""
        return "bin" if self.python else "node_modules/.bin"

    def install(self, place: Path) -> Iterator[list[str]]:
        """The commands that do it."""
        if self.python:
            yield [sys.executable, "-m", "venv", str(place)]
            yield [str(place / "bin" / "pip"), "install", "--quiet", self.package]
        else:
            yield ["npm", "install", "--no-fund", "--no-audit", "--loglevel", "error", self.package]


def _claude_env(url: str) -> Mapping[str, str]:
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, **quiet}


def _claude_files(url: str) -> Mapping[str, object]:
    del url
    keys = {"approved": [KEY], "rejected": []}
    return {".claude.json": {"hasCompletedOnboarding": True, "theme": "dark", "customApiKeyResponses": keys}}


def _codex_files(url: str) -> Mapping[str, object]:
    lines = (
        'model = "stand-in"',
        'model_provider = "local"',
        'approval_policy = "on-request"',
        'sandbox_mode = "read-only"',
        "check_for_update_on_startup = false",
        "[model_providers.local]",
        'name = "local"',
        f'base_url = "{url}/v1"',
        'env_key = "OPENAI_API_KEY"',
        'wire_api = "responses"',
    )
    return {".codex/config.toml": "\n".join(lines)}


def _opencode_files(url: str) -> Mapping[str, object]:
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    models = {"stand-in": {"name": "stand-in"}}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": models}
    settings = {"model": "local/stand-in", "autoupdate": False, "share": "disabled", "permission": {"bash": "ask"}}
    return {".config/opencode/opencode.json": {**settings, "provider": {"local": provider}}}


def _gemini_files(url: str) -> Mapping[str, object]:
    del url
    general = {"enableAutoUpdate": False, "enableAutoUpdateNotification": False}
    auth = {"auth": {"selectedType": "gemini-api-key"}}
    quiet = {"privacy": {"usageStatisticsEnabled": False}}
    model = {"name": "gemini-2.5-flash"}  # without one, a model is asked for a model
    return {".gemini/settings.json": {"general": general, "model": model, "security": auth, **quiet}}


def _aider_files(url: str) -> Mapping[str, object]:
    del url
    lines = ("check-update: false", "show-release-notes: false", "show-model-warnings: false", "auto-commits: false")
    return {".aider.conf.yml": "\n".join([*lines, 'alias: ["sonnet:openai/stand-in"]'])}


PROGRAMS = {
    "claude": Program("@anthropic-ai/claude-code", _claude_files, _claude_env),
    "codex": Program("@openai/codex", _codex_files, lambda _: {"OPENAI_API_KEY": KEY}),
    "opencode": Program("opencode-ai", _opencode_files, lambda _: {}),
    "gemini": Program(
        "@google/gemini-cli", _gemini_files, lambda url: {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url}
    ),
    "aider": Program(
        "aider-chat",
        _aider_files,
        lambda url: {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": f"{url}/v1"},
        python=True,
        consent="y",
    ),
}


def say(text: str) -> None:
    """A line, or several, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Trial:
    """One program's way from its start to its being brought back."""

    def __init__(self, name: str, place: Path, programs: Path, url: str) -> None:
        self.name, self.place, self.programs, self.url = name, place, programs, url
        self.program = PROGRAMS[name]
        self.socket = place / "tmux"
        self.session = ""
        self.env = {
            "PATH": os.pathsep.join([str(programs / self.program.directory), os.environ["PATH"]]),
            "HOME": str(place / "home"),
            "MAS_ROOT": str(place / "root"),
            "MAS_TMUX_SOCKET": str(self.socket),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
            "TERM": "xterm-256color",
            **self.program.env(url),
        }

    # --- making it ready ---

    def install(self) -> None:
        """The program from its registry, and a home in which it was used before."""
        self.programs.mkdir(parents=True, exist_ok=True)
        if not (self.programs / self.program.directory / self.name).exists():
            for words in self.program.install(self.programs):
                subprocess.run(words, cwd=self.programs, env={**os.environ, "HOME": str(self.place)}, check=True)
        for path, content in self.program.files(self.url).items():
            file = self.place / "home" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        template = self.place / "root" / "templates" / "trial"
        (template / "unit" / "10").mkdir(parents=True)
        (template / "team.toml").write_text(
            'name = "trial"\n[[unit]]\nname = "work"\n[[unit.agent]]\nid = "10"\nprompt = "This is errand-1."\n'
        )

    # --- looking and doing ---

    def mas(self, *words: str, code: int | None = 0) -> str:
        """What mas prints, on both streams."""
        done = subprocess.run([MAS, *words], env=self.env, capture_output=True, text=True, check=False, timeout=SECONDS)
        if code is not None and done.returncode != code:
            sys.exit(f"mas {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).strip()

    def screen(self) -> str:
        """What the agent shows."""
        return self.mas("capture", "-a", "10")

    def state(self) -> str:
        """What mas thinks that it does, and why."""
        return self.mas("agents", "--explain").split("\t", 2)[2].replace("\t", ": ")

    def tell(self, title: str) -> None:
        """Print what is to be seen."""
        lines = [line[:100].rstrip() for line in self.screen().splitlines()]
        lines = [line for line in lines if re.search(r"\w|[❯›>]", line)]  # noqa: RUF001  the marks of their input lines
        say(f"--- {title}\n    state: {self.state()}")
        say("\n".join(f"    | {line}" for line in lines[-14:]))

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait, a look each time; where it never comes, show what came instead."""
        begin = time.monotonic()
        try:
            wait_for(holds, SECONDS, what)
        except pytest.fail.Exception:
            self.tell(f"NOT SEEN: {what}")
            sys.exit(self.mas("messages", code=None))
        say(f"--- {what}: seen after {time.monotonic() - begin:.1f} s")

    def settled(self) -> bool:
        """Whether the first prompt was delivered, or a question stands in its way."""
        return "queued" not in self.mas("messages") or self.state().startswith("waiting")

    def processes(self) -> list[int]:
        """What has our home: the agent, and what it left behind; one that has ended has no environment."""
        mark, found = f"HOME={self.env['HOME']}".encode(), list[int]()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parts[2]))
        return found

    # --- the way ---

    def run(self) -> None:
        """All steps."""
        words = [str(self.programs / self.program.directory / self.name), "--version"]
        version = subprocess.run(words, env=self.env, capture_output=True, text=True, check=True).stdout.strip()
        say(f"=== {self.name} {version}")
        self.session = self.mas("start", "--isolated", "-q", "--no-attach", "--template", "trial", "--agent", self.name)
        self.begin()
        self.work()
        self.bring_back()

    def begin(self) -> None:
        """From the start to the answer to the first prompt."""
        self.until("ready, or a question", self.settled)
        self.tell("as it came up")
        say(f"    {self.mas('messages')}")
        if self.state().startswith("waiting"):
            self.agree()
        self.until("the answer to the first prompt", lambda: "heard of errand-1" in self.all())
        self.until("idle", lambda: self.state().startswith("idle"))
        self.tell("idle")

    def work(self) -> None:
        """A message, one that makes it ask, one that has to wait meanwhile, and the decision."""
        say(f"    sent: {self.mas('send', '10', 'This is errand-2.')}")
        self.until("the answer to a message", lambda: "errand-1, errand-2" in self.all())
        self.mas("send", "10", f"Now {standin.WORK}, that is errand-3.")
        self.until("a question", lambda: self.state().startswith("waiting"))
        self.tell("asking")
        say(f"    sent meanwhile: {self.mas('send', '10', 'This is errand-4.')}")
        self.agree()
        made = self.place / "root" / "sessions"
        self.until("the file", lambda: any(made.glob("*/unit/10/made-by-the-agent")))
        self.until("the answer to what waited", lambda: "errand-4" in self.all().rpartition("heard of")[2])
        self.tell("after the decision")

    def agree(self) -> None:
        """Say yes; where it takes no such answer, as a person does who attaches: by Enter."""
        answer = self.mas("send", "--answer", "10", self.program.consent, code=None)
        say(f"    answered: {answer}")
        if "submitted" not in answer:
            say("    it took no notice; Enter is pressed in its pane")
            subprocess.run(["tmux", "-S", str(self.socket), "send-keys", "Enter"], check=True)

    def bring_back(self) -> None:
        """Stop it, see it gone, and go on where it was."""
        begin = time.monotonic()
        self.mas("stop", "-f", self.session)
        say(f"--- stopped after {time.monotonic() - begin:.1f} s")
        self.until("nothing of it left", lambda: not self.processes())
        self.mas("resume", self.session)
        self.until("idle again", lambda: self.state().startswith("idle"))
        self.tell("brought back")
        self.mas("send", "10", "This is errand-5.")
        self.until("an answer that remembers", lambda: "errand-1, errand-2, errand-3, errand-4, errand-5" in self.all())
        self.tell("at the end")
        say(self.mas("messages"))

    def all(self) -> str:
        """The screen as one line: an answer may be broken into several."""
        return re.sub(r"\s+", " ", self.screen())

    def end(self) -> None:
        """End the team, the tmux server, and whatever the program had put out of their reach."""
        self.mas("stop", "-f", "--all", code=None)
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True, check=False)
        for pid in self.processes():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                os.kill(pid, signal.SIGKILL)
                say(f"    it had left {' '.join(words)}")


def main() -> None:
    """Try the programs that are named."""
    parser = argparse.ArgumentParser(prog="scripts/try-agent", description="Try real agent programs in a team of one.")
    parser.add_argument("names", nargs="*", default=["claude"], metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--programs", type=Path, help="where they are, or are to be installed and kept")
    given = parser.parse_args()
    for name in given.names:
        if name not in PROGRAMS:
            parser.error(f"it is not known how to try {name!r}; known are {', '.join(PROGRAMS)}")
    if not all(PROGRAMS[name].python for name in given.names) and not shutil.which("npm"):
        parser.error("npm is missing; install Node.js with your system's package manager")
    for name in given.names:
        with tempfile.TemporaryDirectory(prefix="mas-try-", ignore_cleanup_errors=True) as directory:
            place = Path(directory)
            with standin.serving() as url:
                trial = Trial(name, place, (given.programs or place / "programs").absolute() / name, url)
                try:
                    trial.install()
                    trial.run()
                finally:
                    trial.end()


if __name__ == "__main__":
    main()
