"""Campaigns in which system calls fail, one place after the other; shared by the tests."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from helpers.campaigns import Campaign, assert_same_result, make_campaign

from spring_mpi.events import load_index

PROGRAMS = {"child": "worker.child", "rank 0": "cli.batch"}
CALLS = ("write", "fsync", "close", "rename")
WAITED_FOR = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE)
FOR_PEOPLE = (errno.EACCES, errno.EROFS, errno.ENAMETOOLONG)
"""Faults that do not end by themselves."""
QUICK: dict[str, Any] = {
    "data": {"source": "../frames.npy"},
    "settings": {
        "global": {"generations": 3, "popsize": 4},
        "init": {"supportsize": 10},
        "IA": {"it": 4},
    },
    "pattern": {"cropsize": 32, "center": [16, 16]},
}
"""Sections of a campaign of two jobs, with two checkpoints each, that takes two seconds."""


def compiled(folder: Path, compiler: str) -> Path:
    """The library of ``failing_calls.c``."""
    library = folder / "failing_calls.so"
    source = Path(__file__).with_suffix(".c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


@dataclass(frozen=True)
class Fault:
    """The call that fails."""

    who: str
    """A key of `PROGRAMS`, or text in the command line of the process."""
    call: str
    error: int
    is_forever: bool
    at: int
    """From 1 on."""

    def prefix(self, library: Path, folder: Path, record: Path) -> tuple[str, ...]:
        """A command that runs what follows it with the fault, below a folder."""
        settings = {
            "LD_PRELOAD": str(library),
            "FAIL_FOLDER": str(folder),
            "FAIL_RECORD": str(record),
            "FAIL_PROGRAM": PROGRAMS.get(self.who, self.who),
            "FAIL_CALL": self.call,
            "FAIL_ERRNO": str(self.error),
            "FAIL_FOREVER": str(int(self.is_forever)),
            "FAIL_AT": str(self.at),
        }
        return "env", *(f"{name}={value}" for name, value in settings.items())


@dataclass
class Proving:
    """Runs campaigns with faults below a folder, and compares them with an undisturbed one."""

    folder: Path
    library: Path
    undisturbed: Campaign

    @classmethod
    def ground(cls, folder: Path, library: Path) -> Proving:
        """With its undisturbed campaign."""
        waves = np.random.default_rng(1).poisson(np.abs(np.fft.fft2(np.ones((2, 8, 8)), (32, 32))))
        np.save(folder / "frames.npy", np.fft.fftshift(waves, (1, 2)).astype(np.uint16))
        (folder / "undisturbed").mkdir()
        campaign = make_campaign(folder / "undisturbed", _sections(3600.0))
        code, output = campaign.run()
        assert code == 0, output
        return cls(folder, library, campaign)

    def places(self, who: str, call: str, error: int, is_forever: bool) -> Iterator[str]:
        """The file of every place where such a call can fail, once it is proved to be harmless."""
        at = 1
        while file := self.prove(Fault(who, call, error, is_forever, at)):
            yield file
            at += 1

    def prove(self, fault: Fault) -> str:
        """The call and file that failed in a campaign; empty where it has not so many such calls.

        Raises
        ------
        AssertionError
            If a file in place is wrong, a process was killed, a result was lost, or the rerun does
            not end with the results of the undisturbed campaign.
        """
        folder = self.folder / "faulty"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        campaign = make_campaign(folder, _sections(0.0 if fault.is_forever else 3600.0))
        record = self.folder / "record"
        record.unlink(missing_ok=True)
        campaign.prefix = fault.prefix(self.library, campaign.rundir, record)
        code, output = campaign.run()
        if not record.exists():
            assert code == 0, output
            return ""
        failed = record.read_text()
        context = f"{fault}: {failed}{output}"
        assert code in self._codes(fault, failed, campaign), context
        if code:
            assert os.strerror(fault.error) in output, context
        assert "SIG" not in output, context
        assert "Traceback" not in output, context
        before = campaign.results()
        self._assert_right(campaign, context)
        campaign.prefix = ()
        code, output = campaign.run()
        assert code == 0, context + output
        assert before.items() <= campaign.results().items(), context + output
        assert len(campaign.results()) == 2, context + output
        self._assert_right(campaign, context + output)
        left = [path for path in campaign.rundir.rglob(".*") if path.is_file()]
        assert left == [], context + output
        return failed.splitlines()[0]

    def _codes(self, fault: Fault, failed: str, campaign: Campaign) -> tuple[int, ...]:
        """What the disturbed campaign may end with."""
        has_begun = bool(campaign.in_state("running"))
        if fault.is_forever:
            # The last words may be those that fail.
            return (0, 3) if has_begun else (2, 3)
        if has_begun and fault.error in FOR_PEOPLE:
            # Without a checkpoint a campaign goes on; where folders cannot be synced, too.
            is_needed = fault.who == "child" and "/results/." in failed
            return (3,) if is_needed else (0, 3)
        assert len(campaign.in_state("running")) <= 2
        return (0,) if has_begun else (2,)

    def _assert_right(self, campaign: Campaign, context: str) -> None:
        """Every file that is in place is complete and right."""
        for name in campaign.results():
            assert_same_result(
                campaign.rundir / "results" / name, self.undisturbed.rundir / "results" / name
            )
        if (campaign.rundir / "index.h5").exists():
            index = load_index(campaign.rundir / "index.h5")
            assert len(index) == 2, context
        done = campaign.in_state("done")
        assert len(done) == len(set(done)), context


def _sections(room: float) -> dict[str, Any]:
    return QUICK | {"workers": {"checkpoint": 1, "room": room, "retries": 0}}


def environment_allows() -> bool:
    """Whether libraries can be preloaded here."""
    return os.path.exists("/proc/self/cmdline")
