"""Commands whose writes, syncs, closes and renames fail: what they write is as before, or right."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from helpers.campaigns import make_campaign
from helpers.failing_calls import CALLS, QUICK, Fault, compiled, environment_allows

BIN = Path(sys.executable).parent


@dataclass
class Command:
    """A command that replaces files in a folder, which is made anew for every try."""

    folder: Path
    """Where it runs; a copy of ``former``."""
    former: Path
    line: tuple[str, ...]
    files: tuple[str, ...]
    """Relative to the folder."""
    old: dict[str, bytes] = field(default_factory=dict)
    new: dict[str, bytes] = field(default_factory=dict)

    def begin(self) -> Command:
        """Learn what is right from an undisturbed run."""
        self.old = self._contents(self.former)
        self._restore()
        code, output = self._run()
        assert code == 0, output
        self.new = self._contents(self.folder)
        assert self.old != self.new
        return self

    def prove(self, library: Path, fault: Fault) -> str:
        """The call and file that failed; empty where it has not so many such calls."""
        self._restore()
        record = self.folder.with_name("record")
        record.unlink(missing_ok=True)
        code, output = self._run(fault.prefix(library, self.folder, record))
        if not record.exists():
            assert code == 0, output
            return ""
        failed = record.read_text()
        context = f"{fault}: {failed}{output}"
        found = self._contents(self.folder)
        is_told = os.strerror(fault.error) in output
        # A sheet lacks the pictures of results that could not be read, and that is told.
        if not (is_told and "/run/results/" in failed):
            for name in self.files:
                assert found[name] in (self.old[name], self.new[name]), context
            # A fault of the last sync of a folder comes when the new file is in place.
            assert code == 2 or (code == 0 and found == self.new), context
            assert is_told or code == 0, context
        assert "Traceback" not in output, context
        assert not [path for path in self.folder.rglob(".*") if path.is_file()], context
        code, output = self._run()
        assert code == 0, context + output
        assert self._contents(self.folder) == self.new, context
        return failed.splitlines()[0]

    def _restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.former, self.folder)

    def _run(self, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
        done = subprocess.run(
            [*prefix, *self.line], cwd=self.folder, text=True, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _contents(self, folder: Path) -> dict[str, bytes]:
        """What is in each file, whatever the times in it."""
        found = {}
        for name in self.files:
            if name.endswith(".h5"):
                with h5py.File(folder / name) as file:
                    values: list[bytes] = []
                    file.visititems(
                        lambda name, item, values=values: values.append(
                            name.encode() + np.asarray(item[()]).tobytes()
                            if isinstance(item, h5py.Dataset) and item.dtype.kind != "O"
                            else name.encode()
                        )
                    )
                    found[name] = b"".join(values)
            else:
                found[name] = (folder / name).read_bytes()
        return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], str]) -> Path:
    """What makes calls fail."""
    if not environment_allows():
        pytest.skip("there is no /proc here")
    return compiled(tmp_path_factory.mktemp("library"), tool("gcc"))


def _data(folder: Path) -> Path:
    """A folder of frames that came when the index in it was there."""
    former = folder / "former"
    former.mkdir()
    frames = np.random.default_rng(1).poisson(9, (3, 8, 8)).astype("u2")
    np.save(former / "frames.npy", frames[:2])
    _call(former, "spring-index", "build", "frames.npy", "-o", "i.h5")
    return former


def _call(folder: Path, *line: str) -> None:
    subprocess.run([BIN / line[0], *line[1:]], cwd=folder, check=True, capture_output=True)


def _build(folder: Path) -> Command:
    former = _data(folder)
    np.save(former / "frames.npy", np.ones((5, 8, 8), "u2"))
    line = (str(BIN / "spring-index"), "build", "frames.npy", "-o", "i.h5")
    return Command(folder / "work", former, line, ("i.h5",))


def _stats(folder: Path) -> Command:
    former = _data(folder)
    (former / "i.images.h5").unlink(missing_ok=True)
    _call(former, "spring-index", "stats", "i.h5", "--lit", "3")
    line = (str(BIN / "spring-index"), "stats", "i.h5", "--lit", "9")
    return Command(folder / "work", former, line, ("i.images.h5", "i.h5"))


def _sheet(folder: Path) -> Command:
    former = folder / "former"
    former.mkdir()
    np.save(folder / "frames.npy", np.random.default_rng(1).poisson(9, (2, 32, 32)).astype("u2"))
    campaign = make_campaign(former, QUICK)
    assert campaign.run()[0] == 0
    (former / "sheet.png").write_bytes(b"an older one")
    line = (str(BIN / "spring-view"), "run", "--sheet", "sheet.png")
    return Command(folder / "work", former, line, ("sheet.png",))


def _merge(folder: Path) -> Command:
    former = folder / "former"
    former.mkdir()
    np.save(folder / "frames.npy", np.random.default_rng(1).poisson(9, (2, 32, 32)).astype("u2"))
    campaign = make_campaign(former, QUICK | {"output": "run"})
    assert yaml.safe_load(campaign.config.read_text())["output"] == "run"
    for part in ("1/2", "2/2"):
        assert campaign.run("--part", part)[0] == 0
    (former / "run" / "summary.csv").write_text("an older one\n")
    line = (str(BIN / "spring-batch"), "small.yaml", "--merge")
    return Command(folder / "work", former, line, ("run/summary.csv",))


COMMANDS = (_build, _stats, _sheet, _merge)


@pytest.mark.parametrize("call", CALLS)
def test_an_index_is_as_it_was_or_as_it_should_be(library: Path, tmp_path: Path, call: str) -> None:
    """Every place of one call, failing once; of the many closes some, also of what is read."""
    command, at = _build(tmp_path).begin(), 1
    while command.prove(library, Fault("spring-index", call, errno.ENOSPC, False, at)):
        at += 4 if call == "close" else 1
    assert at > 1


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("is_forever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("make", COMMANDS)
def test_all_places_of_commands(
    library: Path, tmp_path: Path, make: Callable[..., Any], is_forever: bool
) -> None:
    """Every place of every call."""
    command = make(tmp_path).begin()
    who = Path(command.line[0]).name
    for error in (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        for call in CALLS:
            at = 1
            while command.prove(library, Fault(who, call, error, is_forever, at)):
                at += 1
            print(f"{who}, {call}, {errno.errorcode[error]}: {at - 1} places")
            assert at > 1
