"""What panes printed, read back."""

from collections.abc import Callable
from pathlib import Path

import pytest
import stubs
import teams
from hypothesis import given
from hypothesis import strategies as st
from roots import mas_of

from mas import transcripts
from mas.app import Mas
from mas.errors import NotFoundError, RefusedError
from mas.messages import Address
from mas.paths import Root
from mas.transcripts import Transcript, plain

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


def test_what_an_agent_prints_is_kept_where_that_is_asked_for(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, program="sh -c 'echo hello from $MAS_AGENT_ID; exec cat'", log=True)
    log = mas.root.session(session_id).agent_log("10")
    wait_until(lambda: log.exists() and b"hello from 10\r\n" in log.read_bytes())
    assert transcripts.find(mas, session_id, "agent-10").last(1) == b"hello from 10\r\n"
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    wait_until(lambda: log.read_bytes().count(b"hello from 10") == 2)
    with pytest.raises(RefusedError, match="no agent '77'"):
        transcripts.find(mas, session_id, "77")
    log.unlink()
    assert transcripts.find(mas, session_id, "10").last(1) == b""


def test_the_right_pane_is_kept_where_a_hook_put_another_one_first(
    mas: Mas, tmux_socket: Path, wait_until: Wait
) -> None:
    teams.start_server(tmux_socket, "set-hook -g after-new-session 'split-window -hb cat'")
    session_id = stubs.start(mas, program="cat", log=True)
    log = mas.root.session(session_id).agent_log("10")
    mas.send(session_id, Address("10", "hello"))
    wait_until(lambda: log.exists() and b"hello" in log.read_bytes())


def test_nothing_is_kept_unasked(mas: Mas) -> None:
    session_id = stubs.start(mas, program="cat")
    with pytest.raises(NotFoundError, match="not kept"):
        transcripts.find(mas, session_id, "10")
    assert not [*mas.root.session(session_id).logs.glob("*.log")]


def test_the_last_lines_may_be_in_the_older_part(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.1").write_bytes(b"one\ntwo\n")
    assert Transcript(log).last(1) == b"two\n"
    log.write_bytes(b"three\nfour")
    assert Transcript(log).last(3) == b"two\nthree\nfour"
    assert Transcript(log).last(0) == b""


def test_a_log_that_is_not_there_yet_is_empty_and_read_once_it_comes(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "log")
    assert transcript.last(10) == b""
    assert [*transcript.more()] == []
    (tmp_path / "log").write_bytes(b"a")
    assert [*transcript.more()] == [b"a"]


def test_what_comes_is_read_once_also_when_the_log_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    transcript = Transcript(log)
    assert transcript.last(10) == b"old\n"
    assert [*transcript.more()] == []
    with log.open("ab") as file:
        file.write(b"a")
    assert [*transcript.more()] == [b"a"]
    with log.open("ab") as file:
        file.write(b"b")
    log.rename(tmp_path / "log.1")
    assert [*transcript.more()] == [b"b"]
    assert [*transcript.more()] == []
    log.write_bytes(b"c")
    assert [*transcript.more()] == [b"c"]
    with log.open("ab") as file:
        file.write(b"d")
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"e")
    assert [*transcript.more()] == [b"d", b"e"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"plain\r\nlines\r\n", "plain\nlines\n"),
        (b"\x1b[1;31mred\x1b[0m \x1b[2J\x1b[?25l", "red "),
        (b"\x1b]0;a title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"10%\r50%\r100%\ndone", "100%\ndone"),
        (b"\x1bPq\x1b\\\x1b(B\x1b=\x1b7", ""),
        (b"\xe6\x97\xa5\xff\ttab", "日\N{REPLACEMENT CHARACTER}\ttab"),
    ],
)
def test_a_person_reads_lines_without_codes(data: bytes, wanted: str) -> None:
    assert plain(data) == wanted


@given(st.binary())
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert "\0" not in plain(data)
