"""Warnings of readers, loaders and libraries: once, in ``rank0.log``, with time and level."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import AS_ROOT, Campaign

from spring_mpi.system.relayed_warnings import (
    RelayedWarning,
    SeenWarnings,
    relaying_warnings,
    repeat_warning,
)

LINE = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING .*"
LOADER = """
import logging, threading, warnings
import numpy as np
logging.getLogger("elsewhere").info("not worth it")
def load(path):
    warnings.warn("the detector was warm")
    logging.getLogger("facility").warning("%s: the shutter was half open", "x.npy")
    thread = threading.Thread(target=logging.getLogger("facility").error, args=("no clock",))
    thread.start()
    thread.join()
    return {"pattern": np.load(path)}
"""
WARNINGS = ("the detector was warm", "x.npy: the shutter was half open", "no clock")


def told(log: str, text: str) -> list[str]:
    return [line for line in log.splitlines() if text in line]


@pytest.fixture
def frames(tmp_path: Path) -> dict[str, Any]:
    """Sections of a config of two sources, with a loader that warns each time."""
    random = np.random.default_rng(1)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", random.poisson(50, (64, 64)).astype(np.uint16))
    (tmp_path / "loader.py").write_text(LOADER)
    return {
        "data": {"source": "*.npy", "reader": "loader.py:load"},
        "pattern": {"cropsize": 64, "size": 64, "center": [32, 32]},
        "settings": {"global": {"popsize": 4, "generations": 1}, "init": {"supportsize": 14}},
    }


@pytest.mark.parametrize("ranks", [1, 3])
def test_warnings_of_children_reach_the_log_once(
    ranks: int, small_mpi: Callable[..., Campaign], frames: dict[str, Any]
) -> None:
    campaign = small_mpi(**frames)
    code, output = campaign.run(*(["--workers", "2"] if ranks == 1 else []), ranks=ranks)
    assert code == 0, output
    for text in WARNINGS:
        (line,) = told(campaign.log(), text)
        assert re.fullmatch(LINE.replace("WARNING", "(WARNING|ERROR  )"), line)
        assert told(output, text) == [line]
    assert "warnings.warn(" not in output
    assert "not worth it" not in output


BUILDING = """
import logging, sys
from spring_mpi.events.index import build
scan = build.scan_source
def warning(wanted, path, name, reader):
    logging.getLogger("reader").warning("%s: the last 3 bytes are torn", path)
    return scan(wanted, path, name, reader)
build.scan_source = warning
from spring_mpi.cli.COMMAND import main
raise SystemExit(main(sys.argv[1:]))
"""


def run(folder: Path, command: str, *arguments: str, launcher: tuple[str, ...] = ()) -> Any:
    """A command in which the scan of every source warns."""
    program = folder / "program.py"
    program.write_text(BUILDING.replace("COMMAND", command))
    return subprocess.run(
        [*launcher, sys.executable, str(program), *arguments], cwd=folder, capture_output=True,
        text=True, timeout=90, env=os.environ | AS_ROOT, check=False,
    )  # fmt: skip


def test_warnings_of_the_index_build_reach_the_log(
    small: Callable[..., Campaign], frames: dict[str, Any], tmp_path: Path
) -> None:
    frames["data"] = {"source": "*.npy"}
    campaign = small(**frames)
    done = run(tmp_path, "batch", str(campaign.config))
    assert done.returncode == 0, done.stderr
    for name in "ab":
        (line,) = told(campaign.log(), f"{name}.npy: the last 3 bytes are torn")
        assert re.fullmatch(LINE, line)
        assert told(done.stderr, f"{name}.npy: the last 3 bytes are torn") == [line]
    assert campaign.log().index("torn") < campaign.log().index("Campaign small")


def test_warnings_of_a_refused_campaign_are_kept(
    small: Callable[..., Campaign], frames: dict[str, Any], tmp_path: Path
) -> None:
    """What is refused only after the index was built, here an event that is not there."""
    frames |= {"data": {"source": "*.npy"}, "events": {"pids": ["7-7"]}}
    campaign = small(**frames)
    done = run(tmp_path, "batch", str(campaign.config))
    assert done.returncode == 2
    assert len(told(campaign.log(), "a.npy: the last 3 bytes are torn")) == 1
    assert campaign.log().endswith("exit 2\n")
    assert len(told(done.stderr, "a.npy: the last 3 bytes are torn")) == 1


@pytest.mark.parametrize("ranks", [1, 3])
def test_warnings_of_all_ranks_are_told_once(
    ranks: int, frames: dict[str, Any], tmp_path: Path, launcher: list[str]
) -> None:
    prefix = (*launcher, str(ranks)) if ranks > 1 else ()
    done = run(tmp_path, "index", "build", "*.npy", "-o", "i.h5", launcher=prefix)
    assert done.returncode == 0, done.stderr
    warned = sorted(line for line in done.stderr.splitlines() if "torn" in line)
    assert warned == [f"warning: {tmp_path}/{name}.npy: the last 3 bytes are torn" for name in "ab"]


def test_texts_once_and_kinds_a_few_times() -> None:
    said: list[RelayedWarning] = []
    with warnings.catch_warnings(), relaying_warnings(said.append):
        warnings.simplefilter("always")
        for number in range(100):
            logging.getLogger("a").warning(f"event {number} is odd")
            logging.getLogger("a").warning("all is odd")
            warnings.warn(f"value {number}", stacklevel=1)
    texts = [one.text for one in said]
    assert texts.count("all is odd") == 1
    odd = [text for text in texts if text.startswith("event ")]
    assert odd[:19] == [f"event {number} is odd" for number in range(19)]
    assert odd[19:] == ["event 19 is odd (more warnings of this kind are not told)"]
    assert sum("value " in text for text in texts) == 20


def test_the_innermost_listens_and_memory_may_be_shared() -> None:
    outer: list[RelayedWarning] = []
    inner: list[RelayedWarning] = []
    once, logger = SeenWarnings(), logging.getLogger("any")
    with relaying_warnings(outer.append, once):
        logger.warning("one")
        with relaying_warnings(inner.append, once):
            logger.warning("one")
            logger.warning("two")
        logger.warning("two")
        logger.warning("three")
    assert [one.text for one in outer] == ["one", "three"]
    assert [one.text for one in inner] == ["two"]
    assert logging.getLogger().handlers == [
        one for one in logging.getLogger().handlers if type(one).__name__ != "_Listener"
    ]


def test_a_warning_of_another_process_is_as_it_was() -> None:
    said: list[RelayedWarning] = []
    with relaying_warnings(said.append):
        threading.Thread(target=logging.getLogger("x").error, args=("100%% of %s", "it")).run()
    again: list[RelayedWarning] = []
    with relaying_warnings(again.append):
        repeat_warning(said[0])
        repeat_warning(said[0])
    assert again == said
    assert (said[0].level, said[0].text) == ("ERROR", "100% of it")
