"""The table of verbs: commands, messages, rank 0, journal and documentation follow from it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from spring_mpi.campaign.past import Past
from spring_mpi.cli import ctl
from spring_mpi.client.interactive import Interactive
from spring_mpi.errors import MessageError
from spring_mpi.model.outcome import Outcome
from spring_mpi.rank0.control import Asked
from spring_mpi.rank0.decisions import Decision
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.queue import Queue
from spring_mpi.rank0.steering import Steering
from spring_mpi.rundir.lines import JobLine
from spring_mpi.rundir.mailbox_messages import Message, Reply
from spring_mpi.rundir.verbs import (
    TEXT,
    VERBS,
    Argument,
    Changes,
    Replay,
    Verb,
    documentation,
)

DOCS = Path(__file__).parents[2] / "docs" / "howto" / "steering.md"
PATTERN = {
    "spool": "spool/x.npz", "tag": "", "settings": {}, "cropsize": 8, "size": 8, "seed": 1,
}  # fmt: skip


def message(*words: str) -> Any:
    """What ``spring-ctl RUNDIR`` with these words tells rank 0."""
    return ctl._message(ctl._parser().parse_args(["run", *words]))


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_rank0_carries_every_verb_out(verb: Verb) -> None:
    """Rank 0 has a function of the verb's name that takes its arguments by their names."""
    steering = Steering(Queue(), Progress(), None)
    act = steering._own.get(verb.name) or getattr(steering._queue, verb.name)
    if verb.pattern:
        return  # two forms, which the campaign's jobs take apart
    taken = inspect.signature(act).parameters
    assert list(taken) == [argument.name for argument in verb.arguments if argument.is_sent]


def test_the_documentation_is_the_table() -> None:
    """Every verb, every argument, and what the verb does, as they are declared."""
    assert documentation() in DOCS.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("info", {"all": False}),
        ("info --all", {"all": True}),
        ("livelog --follow", {}),
        ("workers", {}),
        ("append a b", {"jobs": ["a", "b"], "tag": "", "set": {}}),
        (
            "prepend a --tag t --set x.y=1 --set x.z=2.5",
            {"jobs": ["a"], "tag": "t", "set": {"x.y": 1, "x.z": 2.5}},
        ),
        ("remove 3", {"item": "3", "name": False}),
        ("remove 3 --name", {"item": "3", "name": True}),
        ("stop", {"name": None}),
        ("stop a", {"name": "a"}),
        ("kill", {}),
        ("retry", {"item": "*"}),
        ("retry a*", {"item": "a*"}),
    ],
)
def test_command_line(words: str, told: dict[str, Any]) -> None:
    """A message holds every argument of its verb, and nothing else."""
    assert message(*words.split()) == told


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("remove", {}, "remove needs item: position, name, or wildcard"),
        ("remove", {"item": 7}, "remove: item must be a text, not 7"),
        ("remove", {"item": "a", "name": 1}, "remove: name must be true or false, not 1"),
        ("remove", {"itme": "a"}, "remove has no argument 'itme'; it takes item, name"),
        ("kill", {"name": "a"}, "kill has no argument 'name'; it takes none"),
        ("stop", {"name": ["a"]}, "stop: name must be a text, not ['a']"),
        ("retry", {"item": None}, "retry: item must be a text, not None"),
        ("append", {"jobs": "71-1"}, "append: jobs must be a list of texts, not '71-1'"),
        ("append", {"jobs": []}, "append: jobs must be a list of texts, not []"),
        ("append", {"jobs": ["a"], "set": 3}, "append: set must be a mapping, not 3"),
        ("append", {"spool": "x"}, "append needs tag: tag of the new job"),
        ("append", PATTERN | {"size": True}, "append: size must be a whole number, not True"),
        ("append", PATTERN | {"jobs": ["a"]}, "append has no argument 'jobs'"),
        ("inof", {}, "No command 'inof'; known: info, livelog, workers, append, prepend,"),
    ],
)
def test_wrong_messages_are_refused(verb: str, given: dict[str, Any], said: str) -> None:
    """In a sentence that names what is wrong; the queue is as it was."""
    queue = Queue()
    queue.append("ab")
    answer = Steering(queue, Progress(), None).answer(verb, given)
    assert answer.reply.refused
    assert answer.reply.lines[0].startswith(said)
    assert list(queue.waiting) == ["a", "b"]


def test_what_a_message_leaves_out() -> None:
    """It counts as declared; what has no value may be said to have none."""
    assert VERBS["remove"].checked({"item": "a"}) == {"item": "a", "name": False}
    assert VERBS["stop"].checked({}) == VERBS["stop"].checked({"name": None}) == {"name": None}
    assert VERBS["prepend"].checked(PATTERN) == PATTERN | {"satvalue": None}


def test_verbs_of_python_are_verbs() -> None:
    """What ``hv`` cannot say is not sent."""
    with pytest.raises(MessageError, match="kill has no argument 'name'"):
        Interactive()._ask("kill", name="a")


def test_what_changes_nothing_is_not_replayed() -> None:
    """Only what the journal keeps can mean something at a restart."""
    for verb in VERBS.values():
        if verb.changes is Changes.NOTHING:
            assert verb.replay == type(verb.replay)()


def test_what_is_replayed_is_a_method_of_the_queue() -> None:
    """It takes the names of waiting jobs, which all are known to it."""
    for verb in VERBS.values():
        queue = Queue()
        queue.append("abc")
        if verb.replay.method:
            getattr(queue, verb.replay.method)(["b"])
        assert sorted(queue.waiting) == ["a", "b", "c"]


def last(queue: Queue, item: str) -> Decision:
    """Move a waiting job to the back: what a new verb of the queue may do."""
    decision = queue.remove(item)
    return queue.retry(item) if decision.records else decision


def test_a_new_verb_is_a_row_and_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Command, rank 0, its reply and the replay of its journal follow from these two."""
    item, replay = Argument("item", TEXT, "name"), Replay("postpone")
    row = Verb(
        "last", Changes.JOBS, "move a waiting job to the back", arguments=(item,), replay=replay
    )
    monkeypatch.setitem(VERBS, "last", row)
    monkeypatch.setattr(Queue, "last", last, raising=False)
    queue, past = Queue(), Past()
    queue.append("abc")
    told = message("last", "a")
    answer = Steering(queue, Progress(), None).answer("last", told)
    assert list(queue.waiting) == ["b", "c", "a"]
    assert answer.reply == Reply(("Adding a to queue",), data=["a"])
    records = tuple(
        JobLine(Outcome(record.name, state=record.state), attempt=0)
        for record in answer.decision.records
    )
    past._take(Asked(Message("1", "last", told, "me@here"), answer).line(records))
    assert past.replays == [("postpone", ("a",))]
    assert "| `last ITEM` | move a waiting job to the back |" in documentation()
