"""Bad input: every fault is told in a line or two, and nothing that is finished is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.campaigns import Campaign
from numpy.typing import NDArray

from spring_mpi.cli.batch import main
from spring_mpi.rundir.paths import RunDirectory


@pytest.fixture
def frames() -> NDArray[Any]:
    """Four frames of a simulated run, as a file of recorded data holds them."""
    from spring_mpi.events.formats.simulated.reader import SimulateReader

    handle = SimulateReader().open("events=4:seed=7")
    return np.stack([handle.event("", row).data for row in range(4)])


@pytest.fixture
def recording(
    small: Callable[..., Campaign], tmp_path: Path, frames: NDArray[Any]
) -> Callable[..., Campaign]:
    """``recording(frames, **data)``: a campaign on an npy file with an npy mask."""

    def make(changed: NDArray[Any] = frames, events: Any = "all", **data: Any) -> Campaign:
        from spring_mpi.events.formats.simulated.diffraction import Detector

        np.save(tmp_path / "frames.npy", changed)
        np.save(tmp_path / "mask.npy", Detector().excluded().astype(np.uint8))
        section = {"source": "frames.npy", "mask": {"file": "mask.npy", "bad": 1}} | data
        return small(data=section, events=events)

    return make


def run(campaign: Campaign, *arguments: str) -> int:
    """The command in this process, alone."""
    return main([str(campaign.config), "--transport", "local", *arguments])


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """What was printed, without tracebacks."""
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return text


def test_one_bad_shot_fails_alone(
    recording: Callable[..., Campaign], frames: NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """A frame without a finite pixel fails with the reason; the others are done; exit 1."""
    frames[2] = np.nan
    campaign = recording(frames)
    assert run(campaign) == 1
    text = told(capfd)
    assert "0-2 failed on worker 1" in text
    assert "pattern 0-2 has no measured pixel" in text
    assert sorted(campaign.results()) == ["0-0.h5", "0-1.h5", "0-3.h5"]
    before = campaign.results()
    assert run(campaign) == 1
    assert campaign.results() == before
    assert "1 failed jobs are tried again" in told(capfd)


def test_nan_and_inf_pixels_are_masked(
    recording: Callable[..., Campaign], frames: NDArray[Any]
) -> None:
    """Pixels that are not finite are excluded, whatever the masks say."""
    frames[:, 40:44, 50:60], frames[1, 100, 100] = np.nan, np.inf
    campaign = recording(frames)
    assert run(campaign) == 0
    for name in campaign.results():
        with h5py.File(campaign.rundir / "results" / name) as file:
            assert np.isfinite(file["entry_1/image_1/data"][()]).all()
            assert np.isfinite(file["entry_1/instrument_1/detector_1/data"][()]).all()


def test_empty_frame(
    recording: Callable[..., Campaign], frames: NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """A frame without light says so."""
    frames[1] = 0
    assert run(recording(frames)) == 1
    assert "pattern 0-1 is empty: its measured pixels sum to 0 photons" in told(capfd)


def test_truncated_file(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that ends too early is refused before the start, by its name."""
    campaign = recording()
    path = tmp_path / "frames.npy"
    os.truncate(path, path.stat().st_size - 1000)
    assert run(campaign) == 2
    text = told(capfd)
    assert str(path) in text
    assert "bytes" in text


def test_file_changed_since_it_was_indexed(
    recording: Callable[..., Campaign],
    frames: NDArray[Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A source that is not the one of the index is refused with the command that rebuilds it."""
    campaign = recording(events={"slice": "0:1"})
    assert run(campaign) == 0
    before = campaign.results()
    np.save(tmp_path / "frames.npy", frames[:3])
    assert run(campaign) == 2
    assert "spring-index build" in told(capfd)
    assert campaign.results() == before


@pytest.mark.parametrize("shape", [(4, 264), (2, 2, 2, 2)])
def test_wrong_dimensions(
    recording: Callable[..., Campaign], shape: tuple[int, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """Frames are two-dimensional; anything else is refused with its shape."""
    assert run(recording(np.zeros(shape, np.float32))) in (1, 2)
    assert str(shape) in told(capfd)


def test_mask_of_another_shape(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Mask and frame must have one shape; both are told."""
    campaign = recording(events={"slice": "0:1"})
    np.save(tmp_path / "mask.npy", np.zeros((10, 12)))
    assert run(campaign) == 1
    text = told(capfd)
    assert "(10, 12)" in text
    assert "(264, 272)" in text


def test_missing_mask(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A mask file that is not there is told before the start, with its path."""
    assert run(recording(mask={"file": "no_mask.npy", "bad": 1})) == 2
    assert "no_mask.npy" in told(capfd)


def test_missing_source(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """So is a source."""
    assert run(recording(source="nowhere_*.npy")) == 2
    assert "nowhere_*.npy" in told(capfd)


def test_empty_selection(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A campaign without an event is a mistake."""
    assert run(recording(events={"slice": "4:9"})) == 2
    assert "none of the 4 events in the index is selected" in told(capfd)


def test_empty_list(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """So is an empty list file."""
    (tmp_path / "hits.txt").write_text("# nothing yet\n")
    assert run(recording(events={"list": "hits.txt"})) == 2
    text = told(capfd)
    assert "none of the 4 events" in text
    assert f"is selected by {tmp_path / 'hits.txt'}" in text


def test_unknown_pid(recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]) -> None:
    """A pid that the index does not hold is named."""
    assert run(recording(events={"pids": ["0-1", "0-77"]})) == 2
    assert "0-77" in told(capfd)


def test_unwritable_run_directory(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder that cannot be made is told before the first job."""
    assert run(recording(), "--set", "output=/proc/spring/run") == 2
    assert "cannot write the run directory /proc/spring/run" in told(capfd)


def test_foreign_folder(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder with other files is not taken for a run directory."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("...")
    assert run(recording()) == 2
    assert "holds other files and is no run directory" in told(capfd)


@pytest.fixture
def in_use(recording: Callable[..., Campaign]) -> Iterator[Campaign]:
    """A campaign whose run directory this process holds."""
    campaign = recording()
    rundir = RunDirectory(campaign.rundir)
    rundir.create()
    rundir.acquire()
    yield campaign
    rundir.release()


def test_run_directory_in_use(in_use: Campaign, capfd: pytest.CaptureFixture[str]) -> None:
    """A second campaign on a run directory is refused with the holder."""
    assert run(in_use) == 2
    assert f"is in use by process {os.getpid()}" in told(capfd)


def test_support_larger_than_half_the_grid(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """Settings that no pattern of this size can hold are told before the first job."""
    assert run(recording(), "--set", "settings.init.supportsize=33") == 2
    assert "init.supportsize 33 exceeds half the pattern's size (64)" in told(capfd)


def test_no_such_device(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A device that no worker finds is told before the first job."""
    assert run(recording(), "--set", "workers.device=cuda:9") == 2
    assert "no worker can start: " in told(capfd)


def test_missing_config(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """So is a config file that is not there."""
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read: No such file or directory" in told(capfd)


def test_check_tells_five_mistakes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """--check prints every planted mistake with its line and column, and exits 2."""
    path = tmp_path / "five.yaml"
    path.write_text(
        "name: five\n"
        "data: {source: a.npy, reader: npi}\n"
        "pattern: {cropsize: 100, size: 64}\n"
        "settings:\n"
        "  init: {suportsize: 60, gamma: 3}\n"
        "  global: {popsize: many}\n"
    )
    assert main([str(path), "--check"]) == 2
    lines = told(capfd).splitlines()
    assert [line.split(": ")[0].removeprefix(str(path)) for line in lines] == [
        ":2:31", ":3:21", ":5:10", ":5:33", ":6:21",
    ]  # fmt: skip


def test_check_tells_what_would_run(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a fault --check tells jobs and memory, and writes nothing."""
    campaign = recording()
    assert run(campaign, "--check") == 0
    text = told(capfd)
    assert "jobs: 4 (1 variants of the settings)" in text
    assert "MB per worker" in text
    assert not campaign.rundir.exists()


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    """--help shows how it is used."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "mpirun -n 9 spring-batch" in told(capfd)


def test_other_dataset_is_noticed(
    small: Callable[..., Campaign],
    tmp_path: Path,
    frames: NDArray[Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A rerun on another dataset does not pass the old results for its own."""
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = frames, frames[::-1]
    data = {"source": "two.h5", "reader": "hdf5", "dataset": "/a"}
    campaign = small(data=data, events={"slice": "0:1"})
    assert run(campaign) == 0
    assert run(campaign, "--set", "data.dataset=/b") == 2
    assert "its place in two.h5: /a at 0 -> /b at 0" in told(capfd)
    assert run(campaign, "--set", "data.dataset=/nonexistent") == 2
    assert "/nonexistent" in told(capfd)


def test_other_recording_of_the_same_name(
    recording: Callable[..., Campaign],
    frames: NDArray[Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Files of the same name in another folder are other data."""
    campaign = recording(events={"slice": "0:1"})
    assert run(campaign) == 0
    (tmp_path / "next").mkdir()
    np.save(tmp_path / "next" / "frames.npy", frames[:3])
    np.save(tmp_path / "next" / "mask.npy", np.load(tmp_path / "mask.npy"))
    assert run(campaign, "--set", f"data.root={tmp_path / 'next'}") == 2
    assert "is already done in" in told(capfd)


def test_mask_with_other_content(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A mask that changed makes other results; a rerun is refused."""
    campaign = recording(events={"slice": "0:1"})
    assert run(campaign) == 0
    mask = np.load(tmp_path / "mask.npy")
    mask[:20] = 1
    np.save(tmp_path / "mask.npy", mask)
    assert run(campaign) == 2
    assert "is already done in" in told(capfd)


def test_absent_index_is_built_where_it_is_named(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """``data.index`` names the file; it is built when absent and used when there."""
    campaign = recording(events={"slice": "0:1"})
    index = tmp_path / "my_index.h5"
    assert run(campaign, "--set", f"data.index={index}") == 0
    assert f"{index} is not there yet; it is built from data.source" in told(capfd)
    before = index.stat().st_mtime_ns
    assert not (campaign.rundir / "index.h5").exists()
    assert run(campaign, "--set", f"data.index={index}", "--set", "events.slice=0:2") == 0
    assert index.stat().st_mtime_ns == before


def test_names_too_long_for_a_file(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A tag that no file system can hold is told before the first job."""
    assert run(recording(), "--set", f"sweep.tag={'x' * 250}") == 2
    assert "at most 200 are possible; shorten sweep.tag" in told(capfd)


@pytest.mark.parametrize("number", ["99999999999999999999999", "-99999999999999999999999"])
def test_pid_beyond_64_bits(
    recording: Callable[..., Campaign],
    tmp_path: Path,
    number: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A number that no pid can hold is told."""
    (tmp_path / "hits.txt").write_text(f"[0, {number}]\n")
    assert run(recording(events={"list": "hits.txt"})) == 2
    assert "beyond 64 bits" in told(capfd)


def test_list_in_brackets(recording: Callable[..., Campaign], tmp_path: Path) -> None:
    """A line of a list file may be written as a list."""
    (tmp_path / "hits.txt").write_text("[0, 2]\n0-1\n")
    campaign = recording(events={"list": "hits.txt"})
    assert run(campaign) == 0
    assert campaign.in_state("done") == ["0-2", "0-1"]


def test_check_prepares_one_event(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """--check finds a mask of the wrong shape and a centre off the frame."""
    campaign = recording()
    np.save(tmp_path / "mask.npy", np.zeros((10, 12)))
    assert run(campaign, "--check") == 2
    assert "(10, 12)" in told(capfd)
    assert run(recording(), "--check", "--set", "pattern.center=[9e9, 1]") == 2
    assert "no measured pixel" in told(capfd)


def test_check_tells_that_a_resume_would_be_refused(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """--check on a campaign that is done with other settings says what changed."""
    campaign = recording(events={"slice": "0:1"})
    assert run(campaign) == 0
    assert run(campaign, "--check", "--set", "seed=9") == 2
    assert "seed: 1 -> 9" in told(capfd)


def test_check_tells_what_is_wrong_with_the_run_directory(
    recording: Callable[..., Campaign], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file in its place, or above it, beside all other faults; and nothing is made."""
    (tmp_path / "notes.txt").write_text("mine")
    check = (recording(), "--check", "--set")
    for output in ("notes.txt", "notes.txt/run"):
        assert run(*check, f"output={tmp_path / output}", "--set", "pattern.center=[9e9, 1]") == 2
        text = told(capfd)
        assert "notes.txt is a file" in text
        assert "no measured pixel" in text
    assert run(*check, f"output={tmp_path / 'new' / 'run'}") == 0
    assert not (tmp_path / "new").exists()


def test_check_tells_who_uses_the_run_directory(
    in_use: Campaign, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is no fault of the config."""
    assert run(in_use, "--check") == 0
    assert f"{in_use.rundir} is in use by process {os.getpid()}" in told(capfd)


def test_check_warns_where_little_is_measured(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong centre or an inverted mask leaves what anything can explain."""
    assert run(recording(), "--check") == 0
    assert "of the pattern is measured" not in told(capfd)
    assert run(recording(), "--check", "--set", "pattern.center=[9, 9]") == 0
    assert "of the pattern is measured" in told(capfd)


def test_check_tells_too_much_memory(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """--check knows what the machine has."""
    assert run(recording(), "--check", "--set", "settings.global.popsize=1000000000") == 2
    assert "lower global.popsize" in told(capfd)


def test_refusal_is_the_last_word(
    recording: Callable[..., Campaign], capfd: pytest.CaptureFixture[str]
) -> None:
    """The log and status.json of a run directory tell that the last run was refused."""
    campaign = recording(events={"slice": "0:1"})
    assert run(campaign) == 0
    assert run(campaign, "--set", "seed=9") == 2
    assert campaign.log().splitlines()[-1].endswith("exit 2")
    status = json.loads((campaign.rundir / "status.json").read_text())
    assert (status["state"], status["exit"]) == ("refused", 2)
