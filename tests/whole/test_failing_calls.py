"""Writes, syncs, closes and renames that fail: no file is wrong, no process dies, nothing is lost.

The results of a rerun are those of an undisturbed campaign, bit by bit.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from helpers.failing_calls import (
    CALLS,
    FOR_PEOPLE,
    PROGRAMS,
    WAITED_FOR,
    Fault,
    Proving,
    compiled,
    environment_allows,
)


@pytest.fixture(scope="module")
def proving(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], str]) -> Proving:
    """Where campaigns with faults are run."""
    if not environment_allows():
        pytest.skip("there is no /proc here")
    folder = tmp_path_factory.mktemp("failing")
    return Proving.ground(folder, compiled(folder, tool("gcc")))


SAMPLE = [
    Fault("child", "write", errno.EIO, False, 3),  # a result, after two checkpoints
    Fault("child", "close", errno.ENOSPC, False, 1),
    Fault("child", "fsync", errno.EDQUOT, True, 3),
    Fault("rank 0", "write", errno.ENOSPC, False, 2),
    Fault("rank 0", "rename", errno.EDQUOT, True, 1),
    Fault("rank 0", "fsync", errno.EIO, True, 8),
    Fault("child", "write", errno.EROFS, False, 3),
    Fault("child", "rename", errno.ESTALE, False, 3),
]


@pytest.mark.parametrize("fault", SAMPLE, ids=lambda one: f"{one.who} {one.call} {one.at}")
def test_some_places(proving: Proving, fault: Fault) -> None:
    """A sample; all places are tried by the long test below."""
    assert proving.prove(fault)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("is_forever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("error", WAITED_FOR + FOR_PEOPLE, ids=lambda one: errno.errorcode[one])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("who", PROGRAMS)
def test_all_places(proving: Proving, who: str, call: str, error: int, is_forever: bool) -> None:
    """Every place, one after the other."""
    places = list(proving.places(who, call, error, is_forever))
    print(f"{who}, {call}, {errno.errorcode[error]}: {len(places)} places")
    assert places
