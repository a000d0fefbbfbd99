"""Checkpoint files: whole and of this job, or ignored; and a job that goes on from one."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import assert_same_result
from helpers.physics import settings_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.events import build_index
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.model.result import Result
from spring_mpi.worker.checkpoint import CheckpointFile, packed, read
from spring_mpi.worker.messages import Job, Progressed, Remark
from spring_mpi.worker.runner import Runner

ARRAYS = {
    "population.density": np.arange(24, dtype=np.complex64).reshape(2, 3, 4) * (1 + 2j),
    "population.support": np.arange(24).reshape(2, 3, 4) % 3 == 0,
    "archive.scores": np.array([np.inf, 0.1]),
    "archive.area": np.array(-1),
    "history": np.empty((0, 2)),
    "made": np.array(3),
}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A small job of six generations that saves its state after every second one."""
    index = build_index("events=1:seed=7", reader="simulate")
    return Job(
        name="19-7-1-a:b",
        tag="a:b",
        event=index.ref(0),
        calibration=Calibration(),
        cropsize=256,
        size=32,
        settings=settings_of(
            global__generations=6, global__popsize=4, init__supportsize=16, IA__it=4
        ),
        seed=1,
        fingerprint="0123",
        result=str(tmp_path / "result.h5"),
        checkpoint=str(tmp_path / "state.npz"),
        checkpoint_every=2,
    )


def state(generation: int, **arrays: Any) -> Any:
    """What stands for the state of an evolution."""
    return SimpleNamespace(generation=generation, **arrays)


class Log:
    """Remembers what is said, and when."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.now = 0.0

    def file_of(self, job: Job) -> CheckpointFile:
        return CheckpointFile(job, self.said.append, self.said.append, lambda: self.now)

    def load(self, job: Job) -> Any:
        """The arrays that a new object finds for a job."""
        return self.file_of(job).load(lambda arrays: state(3, **arrays))


@pytest.fixture
def log() -> Log:
    return Log()


def as_bytes(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {
        name: (array.dtype, array.shape, array.tobytes())
        for name, array in arrays.items()
        if name in ARRAYS
    }


def test_what_was_saved_is_loaded(job: Job, log: Log) -> None:
    """All arrays come back bit by bit, with their types and shapes, and the log says so."""
    log.file_of(job).save(ARRAYS)
    assert as_bytes(vars(log.load(job))) == as_bytes(ARRAYS)
    assert log.said == ["continues from generation 3 of 6"]


def test_the_last_state_counts(job: Job, log: Log) -> None:
    """A state replaces the one before it, and nothing lies beside it."""
    file = log.file_of(job)
    file.save({"history": np.zeros(3)})
    file.save({"history": np.ones(2)})
    assert log.load(job).history.tolist() == [1.0, 1.0]
    assert [path.name for path in file._path.parent.iterdir()] == ["state.npz"]


def test_without_a_file_nothing_is_said(job: Job, log: Log) -> None:
    """A job that never saved a state starts silently."""
    assert log.load(job) is None
    assert log.said == []


def test_deleted_files_are_gone(job: Job, log: Log, tmp_path: Path) -> None:
    """Neither the state nor what a killed child left half written stays; twice is no error."""
    file = log.file_of(job)
    file.save(ARRAYS)
    (tmp_path / ".state.npz").write_bytes(b"half")
    file.delete()
    file.delete()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"fingerprint": "4567"}, {"name": "19-7-1-a_b"}])
def test_files_of_other_jobs_are_ignored(job: Job, log: Log, change: dict[str, Any]) -> None:
    """Another fingerprint, or another name with the same file, is not this job's state."""
    log.file_of(job).save(ARRAYS)
    assert log.load(replace(job, **change)) is None
    assert len(log.said) == 1
    assert log.said[0].startswith(f"ignores its checkpoint {job.checkpoint}: it was written with")


def test_files_of_other_formats_are_ignored(
    job: Job, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another version's format is not read."""
    log.file_of(job).save(ARRAYS)
    monkeypatch.setattr("spring_mpi.worker.checkpoint._FORMAT", 2)
    assert log.load(job) is None
    assert "by another version" in log.said[0]


def test_states_that_do_not_fit_are_ignored(job: Job, log: Log) -> None:
    """What the engine cannot use is ignored like damage."""
    file = log.file_of(job)
    file.save(ARRAYS)

    def restore(arrays: object) -> None:
        raise ValueError("it has no history")

    assert file.load(restore) is None
    assert log.said == [f"ignores its checkpoint {job.checkpoint}: it has no history"]
    assert file.seconds_before == 0


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The bytes of a file."""
    return bytes(packed("me", ARRAYS))


@given(st.data())
def test_damage_is_never_taken_for_a_state(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    """A truncated file is refused; one with a wrong byte never gives a wrong array."""
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    position = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:position])
    with pytest.raises(Exception):  # noqa: B017 - of many kinds
        read(path, "me")
    flipped = bytes([whole[position] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(whole[:position] + flipped + whole[position + 1 :])
    try:
        found = as_bytes(read(path, "me"))
    except Exception:
        return
    assert found.items() <= as_bytes(ARRAYS).items()


def header_only(shape: tuple[int, ...]) -> bytes:
    """An npy file of float64 that ends after its header."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "compression", "message"),
    [
        (header_only((10**12,)), zipfile.ZIP_STORED, "bytes, not 8000000000128"),
        (header_only((10**6,)) + bytes(8 * 10**6), zipfile.ZIP_DEFLATED, "it is shorter than"),
    ],
    ids=["no values", "compressed"],
)
def test_sizes_are_checked_before_memory_is_taken(
    tmp_path: Path, content: bytes, compression: int, message: str
) -> None:
    """Headers and archives that promise more than the file holds are refused unread."""
    path = tmp_path / "state.npz"
    path.write_bytes(packed("me", ARRAYS))
    with zipfile.ZipFile(path, "a", compression) as archive:
        archive.writestr("huge.npy", content)
    with pytest.raises(ValueError, match=message):
        read(path, "me")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``full_disk()``: from then on nothing can be brought to the disk."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(os, "fsync", fail)


def test_a_full_disk_is_told_once(
    job: Job, log: Log, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    """The job goes on without checkpoints, the log has one line, the last state stays."""
    file = log.file_of(job)
    file.save(ARRAYS)
    full_disk()
    for _ in range(2):
        file.save({"history": np.zeros(10**6)})
    assert log.said == [
        f"cannot write its checkpoint {job.checkpoint}: No space left on device",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    assert as_bytes(vars(log.load(job))) == as_bytes(ARRAYS)


def test_the_time_of_all_parts_counts(job: Job, log: Log) -> None:
    """What a job took before each interruption is added up; the time between is not."""
    for spent in (10.0, 5.0):
        file = log.file_of(job)
        file.load(lambda arrays: state(2))
        log.now += spent
        file.save(ARRAYS)
        log.now += 100
    file = log.file_of(job)
    file.load(lambda arrays: state(4))
    assert file.seconds_before == 15.0


class Killed(BaseException):
    """Ends a job in the middle."""


def run(job: Job, *, until: int | None = None) -> list[Any]:
    """The reports of a job on a new runner, killed after a generation where one is given."""
    reports = []

    def send(report: object) -> None:
        reports.append(report)
        if isinstance(report, Progressed) and report.generation == until:
            raise Killed

    with Runner("cpu") as runner:
        try:
            runner.run(job, send)
        except Killed:
            assert until is not None
    return reports


def texts(reports: list[Any]) -> list[str]:
    """What is said of checkpoints; what backends say depends on the machine."""
    said = [report.text for report in reports if isinstance(report, Remark)]
    return [text for text in said if "slower" not in text]


@pytest.mark.parametrize("until", [3, 4, 5, 6])
def test_a_killed_job_continues(job: Job, tmp_path: Path, until: int) -> None:
    """From the last saved state on, to the bits of an undisturbed job, leaving no state behind."""
    undisturbed = replace(job, result=str(tmp_path / "whole.h5"), checkpoint_every=7)
    assert texts(run(undisturbed)) == []
    run(job, until=until)
    start = 2 if until < 5 else 4  # a generation is reported before its state is saved
    reports = run(job)
    assert texts(reports) == [f"continues from generation {start} of 6"]
    generations = [one.generation for one in reports if isinstance(one, Progressed)]
    assert generations == list(range(start, 7))
    assert_same_result(tmp_path / "result.h5", tmp_path / "whole.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.h5", "whole.h5"]


def test_the_time_before_is_in_the_result(job: Job) -> None:
    """The duration of a continued job, in result and summary, is that of all its parts."""
    run(job, until=3)
    state = Path(job.checkpoint)
    owner = f"format 1, {job.fingerprint}, {job.name}"
    state.write_bytes(packed(owner, {**read(state, owner), "seconds": np.array(1e3)}))
    with Runner("cpu") as runner:
        done = runner.run(job, lambda report: None)
    assert 1e3 < done.outcome.seconds < 1.1e3
    assert Result.load(job.result).provenance.seconds == done.outcome.seconds


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"x"])
def test_a_damaged_checkpoint_costs_time_only(
    job: Job, tmp_path: Path, damage: Callable[..., Any]
) -> None:
    """A job with a damaged state starts anew, says so, and has the right result."""
    run(replace(job, result=str(tmp_path / "whole.h5")))
    run(job, until=3)
    state = tmp_path / "state.npz"
    state.write_bytes(damage(state.read_bytes()))
    reports = run(job)
    (text,) = texts(reports)
    assert text.startswith(f"ignores its checkpoint {state}: ")
    assert next(one.generation for one in reports if isinstance(one, Progressed)) == 1
    assert_same_result(tmp_path / "result.h5", tmp_path / "whole.h5")
