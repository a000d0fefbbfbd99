"""The control mailbox: every message is applied once, in order, and nothing in it stops rank 0."""

from __future__ import annotations

import errno
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import NoAnswerError, RunDirectoryError
from spring_mpi.rundir.mailbox import Client, Mailbox
from spring_mpi.rundir.mailbox_files import read_file, write_file
from spring_mpi.rundir.mailbox_messages import Message, Reply, fresh_ids

DONE = Reply(("Done",))
TOO_LARGE = 2**20 + 1
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

SENDER = """
import sys, time
from pathlib import Path
from spring_mpi.rundir.mailbox import Client

folder, sender, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
client = Client(folder, sleep=lambda _: time.sleep(0.001))
for number in range(count):
    reply = client.ask("append", {"sender": sender, "number": number})
    assert reply.lines == (f"{sender} {number}",), reply
"""

# A rank 0 that is killed at one of its steps; its journal is a file of ids, one line each.
RANK0 = """
import os, signal, sys
from pathlib import Path
from spring_mpi.rundir.mailbox_messages import Reply
from spring_mpi.rundir.mailbox import Mailbox

folder, journal, killed_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
rename = os.rename

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def guarded(source, target):
    if killed_at == "before the reply" and Path(target).parent.name == "reply":
        die()
    if killed_at == "between the renames" and Path(target).parent.name == "done":
        die()
    rename(source, target)

os.rename = guarded
mailbox = Mailbox(folder, interval=0.0)
mailbox.open()
for message in mailbox.poll():
    if killed_at == "taken":
        die()
    known = journal.read_text().split() if journal.exists() else []
    if message.id not in known:
        with journal.open("a") as file:
            file.write(message.id + "\\n")
    if killed_at == "applied":
        die()
    mailbox.answer(message.id, Reply(("again",) if message.id in known else ("applied",)))
"""


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A control folder that rank 0 has set up."""
    folder = tmp_path / "run" / "control"
    opened(folder)
    return folder


def opened(folder: Path, **options: Any) -> Mailbox:
    """A rank 0 that looks whenever it is asked to."""
    mailbox = Mailbox(folder, interval=0.0, **options)
    mailbox.open()
    return mailbox


def leave(folder: Path, *numbers: int) -> list[str]:
    """Leave one message per number; their ids."""
    ids = [f"{number:020d}-host-1-00000000" for number in numbers]
    for number, id in zip(numbers, ids, strict=True):
        content = {"verb": "append", "arguments": {"number": number}}
        write_file(content, folder / "tmp" / id, folder / "new" / f"{id}.json")
    return ids


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(os.listdir(folder))


def replies(folder: Path) -> dict[str, Any]:
    """All replies, by id."""
    return {path.stem: json.loads(path.read_text()) for path in (folder / "reply").iterdir()}


def impatient(folder: Path) -> Client:
    """A sender whose time passes only while it waits."""
    clock = Clock()
    return Client(folder, sleep=clock.sleep, clock=clock)


@contextmanager
def answering(mailbox: Mailbox, answer: Callable[[Message], Reply]) -> Iterator[None]:
    """Answer every message in the background."""
    over = False

    def serve() -> None:
        while not over:
            for message in mailbox.poll():
                mailbox.answer(message.id, answer(message))
            time.sleep(0.001)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over = True
        thread.join()


# ---- once each, in order


def test_several_senders(folder: Path) -> None:
    """Of four processes with 200 messages each, all are given once, in order, and answered."""
    senders = [
        subprocess.Popen([sys.executable, "-c", SENDER, str(folder), str(sender), "200"])
        for sender in range(4)
    ]
    mailbox, given_out = opened(folder), list[tuple[str, int]]()
    while len(given_out) < 800 and any(sender.poll() is None for sender in senders):
        for message in mailbox.poll():
            one = message.arguments
            given_out.append((one["sender"], one["number"]))
            mailbox.answer(message.id, Reply((f"{one['sender']} {one['number']}",)))
        time.sleep(0.001)
    assert [sender.wait(30) for sender in senders] == [0] * 4
    for sender in "0123":
        assert [one for one in given_out if one[0] == sender] == [
            (sender, number) for number in range(200)
        ]
    assert (len(given_out), names(folder / "new"), names(folder / "tmp")) == (800, [], [])


@given(readings=st.lists(st.integers(0, 2**62), min_size=2))
def test_ids_increase(readings: list[int]) -> None:
    """One sender's ids increase strictly, whatever its clock does."""
    ids = fresh_ids(iter(readings).__next__)
    made = [next(ids) for _ in readings]
    assert all(first < second for first, second in pairwise(made))


def test_order_of_ids(folder: Path) -> None:
    """Messages are given in the order of their ids, not of their arrival."""
    leave(folder, 3, 1, 2)
    assert [message.arguments["number"] for message in opened(folder).poll()] == [1, 2, 3]


def test_given_once(folder: Path) -> None:
    """A message that waits for its answer is not given again."""
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    assert [[message.id for message in mailbox.poll()] for _ in range(3)] == [[id], [], []]


def test_flood(folder: Path) -> None:
    """However many messages lie there, one look takes a bounded number, the oldest first."""
    mailbox = opened(folder)
    ids = leave(folder, *range(250))
    polls = [[message.id for message in mailbox.poll()] for _ in range(4)]
    assert polls == [ids[:100], ids[100:200], ids[200:], []]


@settings(max_examples=50)
@given(
    arguments=st.dictionaries(
        st.text(st.characters(codec="utf-8")),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8")),
            lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
            max_leaves=10,
        ),
    )
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any]) -> None:
    """Whatever JSON can say arrives as it was sent, and comes back as it was answered."""
    folder = tmp_path_factory.mktemp("run") / "control"
    mailbox, seen = opened(folder), []

    def rank0(_: float) -> None:
        for message in mailbox.poll():
            seen.append((message.verb, message.arguments))
            mailbox.answer(message.id, Reply(("Done",), data=arguments))

    reply = Client(folder, sleep=rank0).ask("echo", arguments)
    assert (seen, reply) == ([("echo", arguments)], Reply(("Done",), data=arguments))


@pytest.mark.parametrize(
    ("users", "sender"),
    [({os.getuid(): "anna"}, "anna@host"), ({}, f"{os.getuid()}@host")],
    ids=["known", "unknown"],
)
def test_sender(
    folder: Path, monkeypatch: pytest.MonkeyPatch, users: dict[int, str], sender: str
) -> None:
    """A message names the owner of its file, by number where need be, and the sending host."""
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=users[uid]))
    leave(folder, 1)
    assert [message.sender for message in opened(folder).poll()] == [sender]


# ---- kills and restarts


@pytest.mark.parametrize(
    ("killed_at", "words"),
    [
        ("taken", ["applied", "applied"]),
        ("applied", ["again", "applied"]),
        ("before the reply", ["again", "applied"]),
        ("between the renames", ["applied", "applied"]),
    ],
)
def test_killed(folder: Path, tmp_path: Path, killed_at: str, words: list[str]) -> None:
    """Wherever rank 0 is killed, after a restart every message is applied once and answered."""
    ids = leave(folder, 1, 2)
    journal = tmp_path / "journal"
    codes = [
        subprocess.run([sys.executable, "-c", RANK0, folder, journal, moment]).returncode
        for moment in (killed_at, "never")
    ]
    assert codes == [-signal.SIGKILL, 0]
    assert journal.read_text().split() == ids
    assert [replies(folder)[id]["lines"] for id in ids] == [[word] for word in words]
    assert (names(folder / "new"), names(folder / "tmp")) == ([], [])
    assert names(folder / "done") == [f"{id}.json" for id in ids]


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_disk_full(folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """An answer that cannot be written leaves nothing behind, and the message comes again."""
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    mailbox.poll()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, failing, full)
        with pytest.raises(OSError, match="No space left"):
            mailbox.answer(id, DONE)
    assert [names(folder / one) for one in ("reply", "tmp", "new")] == [[], [], [f"{id}.taken"]]
    assert [message.id for message in mailbox.poll()] == [id]
    mailbox.answer(id, DONE)
    assert list(replies(folder)) == [id]


def test_disk_full_while_refusing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that cannot be written does not stop rank 0; it follows later."""
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    (folder / "new" / f"{id}.json").write_text("{")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert mailbox.poll() == []
    assert replies(folder) == {}
    mailbox.poll()
    assert replies(folder)[id]["refused"] is True


# ---- what cannot be read


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "strict JSON"),
        (b"not JSON", "strict JSON"),
        (b"\xff\xfe\xfa", "strict JSON"),
        (b'{"format": 1, "verb": "append", "arg', "strict JSON"),
        (b"[" * 500_000, "strict JSON"),
        (b'{"format": 1, "verb": "x", "arguments": {"a": NaN}}', "strict JSON"),
        (b'{"format": 1, "verb": "x", "arguments": {"a": 1e999}}', "strict JSON"),
        (b'{"format": 1, "verb": "x", "arguments": {"a": "\\ud800"}}', "strict JSON"),
        (b'{"format": 1, "verb": "x", "arguments": {"a": ' + b"9" * 9999 + b"}}", "strict JSON"),
        (b"[1]", "not a mapping"),
        (b"null", "not a mapping"),
        (b'{"verb": "info", "arguments": {}}', "format is not 1"),
        (b'{"format": 2, "verb": "info", "arguments": {}}', "format is not 1"),
        (b'{"format": 1, "arguments": {}}', "no verb"),
        (b'{"format": 1, "verb": 7, "arguments": {}}', "no verb"),
        (b'{"format": 1, "verb": "info", "arguments": []}', "no verb"),
        (b'{"format": 1, "verb": "' + b"x" * TOO_LARGE + b'", "arguments": {}}', "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[:40]),
)
def test_unreadable(folder: Path, content: bytes, reason: str) -> None:
    """What is no message is refused with the reason, and does not come back."""
    mailbox = opened(folder)
    id, good = leave(folder, 1, 2)
    (folder / "new" / f"{id}.json").write_bytes(content)
    assert [message.id for message in mailbox.poll()] == [good]
    assert replies(folder)[id]["refused"] is True
    assert reason in replies(folder)[id]["lines"][0]
    assert names(folder / "done") == [f"{id}.json"]


@given(content=st.binary(max_size=200))
def test_arbitrary_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No file stops rank 0: it is given as a message, or refused."""
    folder = tmp_path_factory.mktemp("run") / "control"
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    (folder / "new" / f"{id}.json").write_bytes(content)
    assert mailbox.poll() == []
    assert replies(folder)[id]["refused"] is True


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "inner").touch()


def make_link(path: Path) -> None:
    target = path.parent.parent / "target"
    target.write_text('{"format": 1, "verb": "kill", "arguments": {}}')
    path.symlink_to(target)


@pytest.mark.parametrize(
    "make", [make_folder, make_link, os.mkfifo, lambda path: path.symlink_to("nowhere")]
)
def test_no_plain_file(folder: Path, make: Callable[..., Any]) -> None:
    """A folder, a link and a pipe are put aside unread, also under the name of a message."""
    mailbox = opened(folder)
    make(folder / "new" / "00000000000000000001-host-1-00000000.json")
    assert mailbox.poll() == []
    (reply,) = replies(folder).values()
    assert (reply["refused"], "no plain file" in reply["lines"][0]) == (True, True)
    assert (names(folder / "new"), len(names(folder / "done"))) == ([], 1)


@pytest.mark.parametrize("make", [Path.mkdir, make_link, os.mkfifo])
def test_exchanged_for_no_plain_file(folder: Path, make: Callable[..., Any]) -> None:
    """What took a message's place after a look at it is not read, and not waited for."""
    make(folder / "new" / "exchanged")
    with pytest.raises(ValueError, match=r"it is no plain file|it cannot be read"):
        read_file(folder / "new" / "exchanged", 1000)


def test_huge_file(tmp_path: Path) -> None:
    """A file of any size is refused before its memory is taken."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**42)
    with pytest.raises(ValueError, match="it is larger than 1000 bytes"):
        read_file(tmp_path / "huge", 1000)


@pytest.mark.parametrize(
    "name",
    [
        "message.json",
        "README",
        "1-host-1-00000000.json",
        "00000000000000000001-host-1-00000000.txt",
        "00000000000000000001-ho\nst-1-00000000.json",
        os.fsdecode(b"\xff\xfe.json"),
        "n" * 250 + ".json",
    ],
)
def test_wrong_name(folder: Path, name: str) -> None:
    """A file that is not named like a message is put aside, and the reply tells its name."""
    mailbox = opened(folder)
    (folder / "new" / name).write_text('{"format": 1, "verb": "kill", "arguments": {}}')
    assert mailbox.poll() == []
    ((id, reply),) = replies(folder).items()
    assert repr(name) in reply["lines"][0]
    assert (names(folder / "new"), names(folder / "done")) == ([], [f"{id}.json"])


def test_names_with_a_dot_in_front(folder: Path) -> None:
    """What a file system or an editor hides is left alone."""
    (folder / "new" / ".nfs0001").touch()
    assert opened(folder).poll() == []
    assert names(folder / "new") == [".nfs0001"]


@pytest.mark.parametrize("vanishing", ["rename", "lexists"])
def test_vanishing_message(folder: Path, monkeypatch: pytest.MonkeyPatch, vanishing: str) -> None:
    """A message that somebody removes at any moment is nobody's message, and no fault."""
    mailbox = opened(folder)
    leave(folder, 1)
    place = os if vanishing == "rename" else os.path
    original = getattr(place, vanishing)

    def removed_before(*arguments: Any) -> Any:
        for path in (folder / "new").iterdir():
            path.unlink()
        return original(*arguments)

    monkeypatch.setattr(place, vanishing, removed_before)
    assert mailbox.poll() == []
    assert replies(folder) == {}


def test_vanished_before_the_answer(folder: Path) -> None:
    """A message that somebody removes while it is handled is answered all the same."""
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    mailbox.poll()
    (folder / "new" / f"{id}.taken").unlink()
    mailbox.answer(id, DONE)
    assert replies(folder)[id]["lines"] == ["Done"]


def test_folder_gone(folder: Path) -> None:
    """A campaign whose control folder was deleted goes on."""
    mailbox = opened(folder)
    for name in ("tmp", "new", "reply", "done"):
        (folder / name).rmdir()
    assert mailbox.poll() == []


# ---- who may steer


@pytest.mark.parametrize(
    ("steering", "outer", "inner"), [("owner", 0o700, 0o700), ("group", 0o2750, 0o2770)]
)
def test_modes(tmp_path: Path, steering: str, outer: int, inner: int) -> None:
    """The folders admit those who may steer, whatever the umask was."""
    folder = tmp_path / "control"
    for _ in range(2):
        opened(folder, steering=steering)
        modes = [stat.S_IMODE(os.stat(folder / one).st_mode)
                 for one in (".", "tmp", "new", "reply", "done")]  # fmt: skip
        assert modes == [outer, inner, inner, inner, inner]


@needs_root
def test_another_owner(folder: Path) -> None:
    """With ``steering: owner`` a message of somebody else is refused, though rank 0 is root."""
    mailbox = opened(folder)
    theirs, ours = leave(folder, 1, 2)
    os.chown(folder / "new" / f"{theirs}.json", 54321, -1)
    assert [message.id for message in mailbox.poll()] == [ours]
    reply = replies(folder)[theirs]
    assert (reply["refused"], "54321 may not steer" in reply["lines"][0]) == (True, True)


@needs_root
def test_group(tmp_path: Path) -> None:
    """With ``steering: group`` the group of the run directory may steer, and no other."""
    folder = tmp_path / "run" / "control"
    folder.parent.mkdir()
    os.chown(folder.parent, -1, 54321)
    mailbox = opened(folder, steering="group")
    colleague, foreign = leave(folder, 1, 2)
    os.chown(folder / "new" / f"{colleague}.json", 12345, -1)
    os.chown(folder / "new" / f"{foreign}.json", -1, 12345)
    given_out = mailbox.poll()
    assert [(message.id, message.sender) for message in given_out] == [(colleague, "12345@host")]
    assert "group 12345 may not steer" in replies(folder)[foreign]["lines"][0]
    mailbox.answer(colleague, DONE)
    reply = os.stat(folder / "reply" / f"{colleague}.json")
    assert (reply.st_gid, stat.S_IMODE(reply.st_mode)) == (54321, 0o640)


@needs_root
def test_no_way_in(folder: Path) -> None:
    """Who may not enter the control folder is told so, without a traceback."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from spring_mpi.rundir.mailbox import Client\n"
        "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        "try: Client(Path(sys.argv[1])).ask('info', {})\n"
        "except Exception as fault: print(type(fault).__name__, fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert "RunDirectoryError cannot leave a message" in done.stdout
    assert "Permission denied" in done.stdout


def test_reply_is_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    """A link laid where a reply is written aside is replaced, not followed."""
    mailbox = opened(folder)
    (id,) = leave(folder, 1)
    (tmp_path / "precious").write_text("precious")
    (folder / "tmp" / f"{id}.json").symlink_to(tmp_path / "precious")
    mailbox.poll()
    mailbox.answer(id, DONE)
    assert (tmp_path / "precious").read_text() == "precious"
    assert replies(folder)[id]["lines"] == ["Done"]


# ---- senders


def test_withdrawn(folder: Path) -> None:
    """A message that rank 0 has not taken in time is withdrawn: it is never applied."""
    with pytest.raises(NoAnswerError, match=r"within 5 s: .* was withdrawn"):
        impatient(folder).ask("kill", {}, timeout=5)
    assert opened(folder).poll() == []


def test_interrupted(folder: Path) -> None:
    """Ctrl-C withdraws the message, too."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Client(folder, sleep=interrupted).ask("kill", {})
    assert opened(folder).poll() == []


def test_taken_in_time(folder: Path) -> None:
    """A message that was taken before the time was over is waited for."""
    mailbox, clock = opened(folder), Clock()

    def slow_rank0(seconds: float) -> None:
        clock.sleep(seconds)
        taken = mailbox.poll()
        waiting.extend(taken)
        if clock.now > 7:
            mailbox.answer(waiting[0].id, DONE)

    waiting: list[Message] = []
    client = Client(folder, sleep=slow_rank0, clock=clock)
    assert client.ask("kill", {}, timeout=5) == DONE


def test_taken_and_never_answered(folder: Path) -> None:
    """A sender is told when its message was taken but not answered."""
    mailbox, clock = opened(folder), Clock()

    def silent_rank0(seconds: float) -> None:
        clock.sleep(seconds)
        mailbox.poll()

    with pytest.raises(NoAnswerError, match="was taken and may still be applied"):
        Client(folder, sleep=silent_rank0, clock=clock).ask("kill", {}, timeout=5)


def test_withdrawn_or_answered(folder: Path) -> None:
    """However close the time-out, a message is either withdrawn or applied, never both."""
    applied, withdrawn, client = [], [], Client(folder)

    def apply(message: Message) -> Reply:
        applied.append(message.arguments["number"])
        return DONE

    with answering(opened(folder), apply):
        for number in range(100):
            try:
                client.ask("append", {"number": number}, timeout=0)
            except NoAnswerError as fault:
                withdrawn.append((number, "was withdrawn" in str(fault)))
            time.sleep(0.0001 * (number % 5))
    certain = {number for number, is_certain in withdrawn if is_certain}
    assert certain.isdisjoint(applied)
    assert sorted(certain | set(applied)) == list(range(100))


def test_no_run_directory(tmp_path: Path) -> None:
    """A folder that is no run directory is a clear fault."""
    with pytest.raises(RunDirectoryError, match="is it a run directory"):
        Client(tmp_path / "control").ask("info", {})


def test_unusable_folder(tmp_path: Path) -> None:
    """A control folder that cannot be made is a clear fault."""
    (tmp_path / "control").touch()
    with pytest.raises(RunDirectoryError, match="cannot set up"):
        opened(tmp_path / "control")


@pytest.mark.parametrize("content", ["{", '{"format": 1}', '{"format": 1, "lines": "x"}'])
def test_unreadable_reply(folder: Path, content: str) -> None:
    """A reply that cannot be read is a clear fault."""

    def broken_rank0(_: float) -> None:
        for path in (folder / "new").iterdir():
            (folder / "reply" / path.name).write_text(content)

    with pytest.raises(NoAnswerError, match="cannot be used"):
        Client(folder, sleep=broken_rank0).ask("info", {})


# ---- what it costs


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The calls to the file system, by name."""
    calls: list[str] = []

    def count(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*arguments, **options)

        return counting

    with monkeypatch.context() as system:
        for name in ("scandir", "listdir", "stat", "lstat", "open", "rename", "unlink", "chmod"):
            system.setattr(os, name, count(name))
        yield calls


def test_idle_poll(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle look lists one folder and does nothing else."""
    mailbox = opened(folder)
    with counted(monkeypatch) as calls:
        assert [mailbox.poll() for _ in range(10)] == [[]] * 10
    assert calls == ["scandir"] * 10


def test_interval(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often rank 0 asks, the folder is looked at once per interval."""
    clock = Clock()
    mailbox = Mailbox(folder, clock=clock, interval=0.5)
    mailbox.open()
    with counted(monkeypatch) as calls:
        for _ in range(40):
            mailbox.poll()
            clock.sleep(0.125)
    assert calls == ["scandir"] * 10


def answer_all(mailbox: Mailbox) -> None:
    """Answer all that has arrived."""
    for message in mailbox.poll():
        mailbox.answer(message.id, DONE)


def test_old_ones_are_removed(folder: Path) -> None:
    """Replies and messages are kept for a day, and no longer, also over a restart."""
    clock = Clock()
    mailbox = opened(folder, clock=clock)
    leave(folder, *range(12))
    answer_all(mailbox)
    mailbox = opened(folder, clock=clock)
    left = []
    for _ in range(5):
        left.append(len(names(folder / "reply")) + len(names(folder / "done")))
        clock.sleep(43200.5)
        mailbox.poll()
    assert left == [24, 24, 14, 4, 0]


def test_thousand_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many answered messages the last thousand stay, with their replies."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    mailbox = opened(folder)
    ids = leave(folder, *range(1020))
    while names(folder / "new"):
        answer_all(mailbox)
    for _ in range(10):
        mailbox.poll()
    kept = [f"{id}.json" for id in ids[-1000:]]
    assert (names(folder / "reply"), names(folder / "done")) == (kept, kept)


def test_leftovers_of_killed_senders(folder: Path) -> None:
    """What a killed sender left half written goes away after a day."""
    clock = Clock()
    Path(folder / "tmp" / "half.json").write_text("{")
    mailbox = opened(folder, clock=clock)
    mailbox.poll()
    assert names(folder / "tmp") == ["half.json"]
    clock.sleep(86401)
    mailbox.poll()
    assert names(folder / "tmp") == []
