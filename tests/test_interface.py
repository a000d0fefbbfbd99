"""The Python interface: SPRING's notebook cells for one pattern."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from spring_mpi import MPR, Pattern, Result, Settings
from spring_mpi.engine.case import Progress
from spring_mpi.errors import LaunchError, SettingsError, UnsavedError
from spring_mpi.events.formats.simulated.diffraction import Detector
from spring_mpi.events.formats.simulated.reader import SimulateReader
from spring_mpi.launch.devices import Gpu


@pytest.fixture
def pattern() -> Pattern:
    """A simulated hit, prepared."""
    handle, detector = SimulateReader().open("events=4:seed=7"), Detector()
    return Pattern(
        pattern=handle.event("", 0).data, mask=detector.excluded(), center=detector.center,
        pid=[197, 10, 14558540587], cropsize=256, size=64, satvalue=3e4, gain=10.0,
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a second or less, saved into the test's folder."""
    return (
        Settings()
        .set("global", "generations", 2)
        .set("global", "popsize", 4)
        .set("global", "workdir", str(tmp_path))
        .set("init", "supportsize", 30)
        .set("IA", "it", 10)
    )


def test_run_saves_and_returns(pattern: Pattern, settings: Settings, tmp_path: Path) -> None:
    """run() blocks, saves <name>.h5 in workdir, and returns what the file holds."""
    result = MPR(pattern=pattern, settings=settings, tag="suppsize:30").run()
    assert result.name == "197-10-14558540587-suppsize:30"
    loaded = Result.load(tmp_path / "197-10-14558540587-suppsize_30.h5")
    assert loaded.name == result.name
    assert (loaded.data == result.data).all()


def test_a_result_that_cannot_be_saved_is_not_lost(
    pattern: Pattern, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds it, to be saved elsewhere."""
    disk = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(disk))
        with pytest.raises(UnsavedError, match=r"No space left.*e\.result\.save") as caught:
            MPR(pattern=pattern, settings=settings).run()
    assert list(tmp_path.iterdir()) == []
    result = caught.value.result
    assert isinstance(result, Result)
    result.save(tmp_path / "elsewhere.h5")
    assert (Result.load(tmp_path / "elsewhere.h5").data == result.data).all()


def test_a_folder_that_is_missing_is_told_before_the_work(
    pattern: Pattern, settings: Settings, tmp_path: Path
) -> None:
    """Not after it."""
    seen: list[Progress] = []
    settings.set("global", "workdir", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"global\.workdir: .*nowhere"):
        MPR(pattern=pattern, settings=settings).run(report=seen.append)
    assert seen == []


def test_settings_are_taken_at_once(pattern: Pattern, settings: Settings) -> None:
    """Later changes of the settings do not reach the job."""
    job = MPR(pattern=pattern, settings=settings)
    settings.set("init", "supportsize", 20)
    assert job.settings.init.supportsize == 30


def test_reports_every_generation(pattern: Pattern, settings: Settings) -> None:
    """A caller can watch the generations go by."""
    seen: list[Progress] = []
    MPR(pattern=pattern, settings=settings).run(report=seen.append)
    assert [(one.generation, one.generations) for one in seen] == [(1, 2), (2, 2)]


def test_seed_decides(pattern: Pattern, settings: Settings) -> None:
    """Same seed, same result; another seed, another one."""
    first = MPR(pattern=pattern, settings=settings).run()
    again = MPR(pattern=pattern, settings=settings).run()
    other = MPR(pattern=pattern, settings=settings, seed=2).run()
    assert (first.data == again.data).all()
    assert (first.data != other.data).any()


def test_gpus_are_selected_and_named(
    pattern: Pattern,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without CuPy the processor stands in for a GPU, and says why."""
    present = [Gpu(3, 0, "GPU-a", "NVIDIA H200", 0.5), Gpu(5, 1, "GPU-b", "NVIDIA H200", 0.07)]
    monkeypatch.setattr("spring_mpi.interface.gpus", lambda: present)
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = MPR(pattern=pattern, settings=settings.set("global", "gpus", 1)).run()
    said = capsys.readouterr().err
    assert "Selected GPUs:\n- NVIDIA H200 (Id: 5, load: 7%)\n" in said
    assert "No GPU is used: device 'cuda:1': CuPy cannot be imported" in said
    assert result.provenance.device == "cpu"


def test_gpus_that_are_not_here_are_an_error(
    pattern: Pattern, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "spring_mpi.interface.gpus", lambda: [Gpu(0, 0, "GPU-a", "NVIDIA H200", 0.5)]
    )
    with pytest.raises(LaunchError, match="2 GPUs are asked for, here are 1"):
        MPR(pattern=pattern, settings=settings.set("global", "gpus", 2)).run()
