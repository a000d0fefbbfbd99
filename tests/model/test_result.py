"""A result file is complete or absent, reads back exactly, and opens without this package."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from spring_mpi.errors import HeldFileError, SourceError
from spring_mpi.model.result import Provenance, Result
from spring_mpi.model.settings import Settings
from spring_mpi.model.verdict import Verdict

SIZE = 12
IMAGES = ("data", "support", "best", "std", "support_frequency", "intensity", "mask", "sigma")
ARRAYS = (*IMAGES, "error_history", "prtf", "ring_correlation", "agreement", "weak_modes")


def made(*, is_complex: bool = False, **changes: Any) -> Result:
    """A result with no two values alike."""
    random = np.random.default_rng(1)

    def image(kind: Any = np.float32) -> Any:
        return (9 * random.random((SIZE, SIZE))).astype(kind)

    density = image() + 1j * image() if is_complex else image()
    values = {
        "name": "71-1-14546865407-ss:80", "pid": (71, 1, 14546865407), "tag": "ss:80",
        "data": density, "support": image(np.uint8) % 2, "best": 2 * density, "std": image(),
        "support_frequency": image(), "intensity": image(), "mask": image(np.uint8) % 2,
        "error": 0.125, "error_history": random.random((3, 4)).astype(np.float32),
        "prtf": np.array([np.nan, 1.0, 0.5, 0.1, 0.0, 0.0]), "ring_correlation": np.empty(0),
        "resolution_px": 3.5, "members": 3, "orientation_sureness": 0.25,
        "verdict": Verdict.GOOD, "score": 0.75, "reasons": ("one reason", "another: ä"),
        "is_interior_determined": False, "figures": {"excess": 0.125, "chi": 1.5},
        "agreement": np.array([1.0, 0.75, np.nan]), "sigma": image(),
        "weak_modes": random.random((2, SIZE, SIZE)).astype(np.float32),
        "generations_run": (6, 7, 5),
        "settings": Settings().set("init", "supportsize", 90).set("global", "gpus", [0, 2]),
        "provenance": Provenance(
            seed=7, backend="reference", device="cpu", started=1.7e9, seconds=2.5,
            warnings=("one thing", "another: ä"), command="spring-batch a.yaml",
            fingerprint="ab12", source="/data/run.cxi", center=(130.25, 128.5),
            center_origin="given", satvalue=3e4, estimated_gain=8.25, supportsize=41,
            contradictions=("centre: off", "gain: ä"),
        ),
    }  # fmt: skip
    return Result(**values | changes)


def assert_same(first: Result, second: Result) -> None:
    for name, value in vars(first).items():
        other = getattr(second, name)
        if name in ARRAYS:
            assert np.array_equal(value, other, equal_nan=True), name
            assert value.dtype == other.dtype, name
        else:
            assert (value, type(value)) == (other, type(other)), name


@pytest.mark.parametrize(
    "result",
    [
        made(),
        made(is_complex=True),
        made(ring_correlation=np.array([1.0, 0.5]), tag="", name="5", pid=(5,)),
        made(resolution_px=None, resolution_reason="one run", provenance=Provenance()),
        made(reasons=(), figures={}, weak_modes=np.empty((0, 0, 0), np.float32)),
    ],
    ids=["real", "complex", "islands", "bare", "good"],
)
def test_what_is_saved_is_loaded(result: Result, tmp_path: Path) -> None:
    """Every value comes back exactly, in its own type."""
    assert_same(Result.load(result.save(tmp_path / "a.h5")), result)


def test_the_layout_is_readable_by_anyone(tmp_path: Path) -> None:
    """Plain h5py finds every dataset at its documented place, with units."""
    result = made()
    with h5py.File(result.save(tmp_path / "a.h5")) as file:
        entry = file["entry_1"]
        places = {
            "data": "image_1/data", "support": "image_1/support", "best": "image_1/best",
            "std": "image_1/std", "support_frequency": "image_1/support_frequency",
            "intensity": "instrument_1/detector_1/data",
            "mask": "instrument_1/detector_1/mask",
            "error_history": "analysis/error_history", "prtf": "analysis/prtf/value",
        }  # fmt: skip
        for name, place in places.items():
            assert np.array_equal(entry[place][()], getattr(result, name), equal_nan=True), name
        assert entry["analysis/prtf/q"][()].tolist() == [0, 1, 2, 3, 4, 5]
        assert entry["analysis/resolution_px"][()] == 3.5
        assert entry["analysis/verdict"].asstr()[()] == "good"
        assert entry["analysis/figures/excess"][()] == 0.125
        units = {place: entry[place].attrs["units"] for place in ("image_1/data", "image_1/support",
                 "instrument_1/detector_1/data", "instrument_1/detector_1/mask",
                 "process_1/seconds")}  # fmt: skip
        assert list(units.values()) == [
            "sqrt(photons)", "1 = support", "photons", "1 = excluded", "s",
        ]  # fmt: skip
        process = {name: one[()] for name, one in entry["process_1"].items()}
        assert yaml.safe_load(process["settings"]) == result.settings.to_dict()
        assert (process["program"], process["seed"]) == (b"spring-mpi", 7)
        assert process.keys() >= {"version", "command", "fingerprint", "backend", "device"}
        assert entry["event/pid"].dtype == np.int64
        assert entry["event/pid"][()].tolist() == [71, 1, 14546865407]
        assert entry["event/name"].asstr()[()] == "71-1-14546865407-ss:80"
        assert entry["event/tag"].asstr()[()] == "ss:80"
        assert entry["event/source"].asstr()[()] == "/data/run.cxi"


def test_the_support_is_found_where_it_was_before(tmp_path: Path) -> None:
    """Earlier versions have it, and look for it, under ``image_1/mask``."""
    result = made()
    path = result.save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        image = file["entry_1/image_1"]
        assert image["mask"] == image["support"]  # one dataset with two names
        del image["support"]
    assert np.array_equal(Result.load(path).support, result.support)
    assert np.array_equal(Result.load(path).mask, result.mask)


def test_the_file_has_the_name_of_the_job(tmp_path: Path) -> None:
    """Without a path the file is <workdir>/<name>.h5, odd characters replaced."""
    settings = Settings().set("global", "workdir", str(tmp_path))
    path = made(settings=settings).save()
    assert path == tmp_path / "71-1-14546865407-ss_80.h5"
    assert Result.load(path).name == "71-1-14546865407-ss:80"


@pytest.mark.parametrize(
    ("resolution_px", "said"), [(3.5, "resolution 3.50 px"), (None, "no resolution")]
)
def test_it_is_shown_in_a_line(resolution_px: float | None, said: str) -> None:
    """Not with all its arrays, as a dataclass would be."""
    result = made(resolution_px=resolution_px)
    assert repr(result) == (
        f"<Result 71-1-14546865407-ss:80: 12 x 12, good 0.75, error 0.1250, {said}, "
        f"support {result.support_px} px>"
    )


def test_no_resolution_is_no_number_in_the_file(tmp_path: Path) -> None:
    """The dataset is absent."""
    path = made(resolution_px=None).save(tmp_path / "a.h5")
    with h5py.File(path) as file:
        assert "resolution_px" not in file["entry_1/analysis"]
    assert Result.load(path).resolution_px is None


def test_the_resolution_of_one_population_is_none(tmp_path: Path) -> None:
    """Versions that did not judge their results had it from the PRTF: it is read as none."""
    path = made().save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["entry_1/analysis/verdict"]
        file["entry_1/analysis/prtf"].attrs["resolution_px"] = 2.0
    earlier = Result.load(path)
    assert (earlier.verdict, earlier.resolution_px, earlier.generations_run) == (None, None, ())
    assert "one population" in earlier.resolution_reason


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing(
    fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing fails at any point the old file is untouched and no other is left."""
    target = made().save(tmp_path / "a.h5")
    before = target.read_bytes()

    def failing(*args: Any, **options: Any) -> None:
        raise fault

    for step in ("create_dataset", "flush_to_disk"):
        with monkeypatch.context() as patch:
            if step == "create_dataset":
                patch.setattr(h5py.File, "create_dataset", failing)
            else:
                patch.setattr(os, "fsync", failing)
            with pytest.raises(type(fault)):
                made(error=0.5).save(target)
        assert target.read_bytes() == before
        assert os.listdir(tmp_path) == ["a.h5"]


def test_a_folder_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    """Saving where no folder is raises OSError."""
    with pytest.raises(OSError, match="nowhere"):
        made().save(tmp_path / "nowhere" / "a.h5")


def test_saving_again_replaces(tmp_path: Path) -> None:
    """A second save replaces the first as a whole."""
    made().save(tmp_path / "a.h5")
    made(error=0.5, is_complex=True).save(tmp_path / "a.h5")
    assert Result.load(tmp_path / "a.h5").error == 0.5
    assert os.listdir(tmp_path) == ["a.h5"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.write_text("name: demo\n")


def edited(name: str, value: Any) -> Any:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]
            if value is not None:
                file[name] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        emptied,
        foreign,
        edited("entry_1/image_1/data", None),
        edited("entry_1", None),
        edited("entry_1/image_1", 5),
        edited("entry_1/event/pid", "text"),
        edited("entry_1/process_1/warnings", 7),
        edited("entry_1/process_1/settings", "a: [1"),
        edited("entry_1/process_1/settings", "just text"),
        edited("entry_1/analysis/verdict", "splendid"),
    ],
)
def test_what_is_no_result_is_refused(damage: Any, tmp_path: Path) -> None:
    """Damaged and foreign files are SourceErrors that name the file."""
    path = made().save(tmp_path / "a.h5")
    damage(path)
    with pytest.raises(SourceError, match=r"a\.h5 is not a result file of spring-mpi: "):
        Result.load(path)


def test_settings_of_another_version_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that only another version has is named; the others are read."""
    path = made().save(tmp_path / "a.h5")
    edited("entry_1/process_1/settings", "init: {supportsize: 80, novelty: 3}")(path)
    assert Result.load(path).settings == Settings().set("init", "supportsize", 80)
    assert "settings of another version: init.novelty: 3" in caplog.text


def names_in(path: Path) -> list[str]:
    """All groups and datasets of a file."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
    return names


def test_any_dataset_may_be_missing(tmp_path: Path) -> None:
    """A file without one can be read, shown and saved again, or is refused with its name."""
    whole, path = made().save(tmp_path / "whole.h5"), tmp_path / "other.h5"
    refused = {}
    for name in names_in(whole):
        path.write_bytes(whole.read_bytes())
        with h5py.File(path, "r+") as file:
            del file[name]
            file["entry_1/analysis/of_another_version"] = 1.0
        try:
            result = Result.load(path)
        except SourceError as fault:
            refused[name] = str(fault)
        else:
            result.plot()
            assert Result.load(result.save(tmp_path / "again.h5")).name == result.name
    assert all(f"it has no /{name}" in text for name, text in refused.items())
    assert len(refused) < 16


@pytest.mark.parametrize("name", ["missing.h5", "."])
def test_no_file_is_refused(name: str, tmp_path: Path) -> None:
    """A missing file or a folder is said to be no file."""
    with pytest.raises(SourceError, match="there is no such file"):
        Result.load(tmp_path / name)


def test_loaded_settings_may_be_used_again(tmp_path: Path) -> None:
    """Settings with a sequence and a default `it` do not disagree after loading."""
    from spring_mpi.engine.sequence import check_sequence

    settings = Settings().set("IA", "sequence", "HIO*10 + SW")
    loaded = Result.load(made(settings=settings).save(tmp_path / "a.h5")).settings
    assert loaded == settings
    assert check_sequence(loaded) is None


def test_other_provenance_is_another_result() -> None:
    """Provenance is changed in a copy, the result itself is not."""
    result = made()
    changed = result.with_provenance(fingerprint="cd34")
    assert (changed.provenance.fingerprint, changed.provenance.seed) == ("cd34", 7)
    assert result.provenance.fingerprint == "ab12"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_results_are_read_where_there_are_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A result is complete from the moment it has its name."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    made().save(tmp_path / "a.h5")
    monkeypatch.setattr(fcntl, "flock", refused)
    assert_same(Result.load(tmp_path / "a.h5"), made())


def test_a_fault_of_the_disk_says_nothing_of_what_is_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a file is not said to be no result."""

    def faulty(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    made().save(tmp_path / "a.h5")
    monkeypatch.setattr(h5py, "File", faulty)
    with pytest.raises(SourceError, match=r"a\.h5 cannot be read: Input/output error$"):
        Result.load(tmp_path / "a.h5")


def test_a_result_that_a_writer_holds_is_refused_with_that_reason(tmp_path: Path) -> None:
    """It is not said to be something else."""
    made().save(tmp_path / "a.h5")
    with open(tmp_path / "a.h5", "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(HeldFileError, match=r"^\S*a\.h5: another program .* for writing"):
            Result.load(tmp_path / "a.h5")
