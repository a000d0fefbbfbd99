"""Recipes: what a result depends on changes its fingerprint, and has a name; nothing else does."""

from __future__ import annotations

import json
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spring_mpi.campaign import recipe as recipe_module
from spring_mpi.campaign import version_0_1_0
from spring_mpi.campaign.recipe import Recipe, Recorded, changes, digest, of_spooled
from spring_mpi.errors import SourceError
from spring_mpi.events.event import EventRef, Part, Source, file_digest
from spring_mpi.events.geometry import GeometrySpec
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.specs import ArraySpec, MaskSpec
from spring_mpi.model import settings as settings_module
from spring_mpi.model.options import option
from spring_mpi.model.settings import Settings

EVENT = EventRef((1, 2), Source("/data/run.cxi", "cxi", 1000), "/entry_1/data_1/data", 2)
GEOM = (
    "clen = 0.1\nres = 10000\ndim0 = %\ndim1 = ss\ndim2 = fs\n"
    "a/min_fs = 0\na/max_fs = 3\na/min_ss = 0\na/max_ss = 3\na/corner_x = 0\na/corner_y = 0\n"
    "a/fs = +x\na/ss = +y\n"
)


def recipe(
    calibration: Calibration | None = None,
    reader: str = "auto",
    settings: Settings | None = None,
    cropsize: int = 32,
    size: int = 16,
    seed: int = 1,
) -> Recipe:
    """What is made of these."""
    recorded = Recorded.of(calibration or Calibration(), reader)
    return recorded.recipe(settings or Settings(), cropsize, size, seed)


def told(before: Recipe, now: Recipe) -> list[str]:
    """The changes between two recipes, the first one as a journal keeps it."""
    return list(changes(json.loads(json.dumps(before.parts)), now.parts))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mask, a dark frame, a loader and a geometry."""
    for number, name in enumerate(("mask", "dark", "gain", "center")):
        np.save(tmp_path / f"{name}.npy", np.full((2, 2), number))
    (tmp_path / "load.py").write_text("x = 1")
    (tmp_path / "g.geom").write_text(GEOM)
    return tmp_path


def with_files(folder: Path) -> Calibration:
    """A calibration of which every part is a file of that folder, one of them twice."""
    background, gain, center = (
        ArraySpec(file=str(folder / f"{name}.npy")) for name in ("dark", "gain", "center")
    )
    mask = str(folder / "mask.npy")
    masks = (MaskSpec(file=mask, bad=1), MaskSpec(file=mask, good=0), MaskSpec(dataset="m", bad=1))
    return Calibration(masks, background, gain, center)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"seed": 2}, "seed: 1 -> 2"),
    ({"cropsize": 64}, "pattern.cropsize: 32 -> 64"),
    ({"size": 32}, "pattern.size: 16 -> 32"),
    ({"reader": "cxi"}, "data.reader: auto -> cxi"),
    ({"settings": Settings().set("init", "supportsize", 70)},
     "settings.init.supportsize: 60 -> 70"),
    ({"calibration": Calibration(center=(1.0, 2.0))}, "pattern.center: none -> [1.0, 2.0]"),
    ({"calibration": Calibration(satvalue=3.0)}, "pattern.satvalue: none -> 3.0"),
    ({"calibration": Calibration(gain=ArraySpec(value=2.0))},
     "pattern.gain: 1.0 -> 2.0"),
    ({"calibration": Calibration(masks=(MaskSpec(dataset="m", bad=1),))},
     'data.mask: none -> [{"dataset": "m", "bad": 1}]'),
    ({"calibration": Calibration(gain_bits="jungfrau")}, "data.gain_bits: none -> jungfrau"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "text"), CHANGES)
def test_every_part_counts_and_has_a_name(change: dict[str, Any], text: str) -> None:
    """Whatever is asked for otherwise changes the fingerprint, and is told in one line."""
    before, now = recipe(), recipe(**change)
    assert before.fingerprint(EVENT) != now.fingerprint(EVENT)
    assert told(before, now) == [text]


def test_no_two_changes_have_one_fingerprint() -> None:
    """Nor two of them together."""
    found = {recipe(**change).fingerprint(EVENT) for change, _ in CHANGES}
    assert len(found) == len(CHANGES)


@pytest.mark.parametrize("name", ["mask.npy", "dark.npy", "gain.npy", "center.npy"])
def test_contents_of_files_count(folder: Path, name: str) -> None:
    """Other content of equal length, under the same name, is another recipe."""
    before = recipe(with_files(folder))
    np.save(folder / name, np.full((2, 2), 9))
    now = recipe(with_files(folder))
    assert told(before, now) == [f"the content of {name} is another one"]
    assert before.digest != now.digest
    assert before.former != now.former != ""


def test_folders_do_not_count(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same files elsewhere make the same recipe, under other names another."""
    there = tmp_path_factory.mktemp("there")
    for path in folder.iterdir():
        (there / path.name).write_bytes(path.read_bytes())
    assert recipe(with_files(folder)) == recipe(with_files(there))
    (there / "gain.npy").rename(there / "other.npy")
    renamed = replace(with_files(there), gain=ArraySpec(file=str(there / "other.npy")))
    assert recipe(renamed).digest != recipe(with_files(folder)).digest


def test_a_loader_counts_by_content_and_function(folder: Path) -> None:
    """Its folder does not."""
    before = recipe(reader=f"{folder}/load.py:one")
    assert told(before, recipe(reader=f"{folder}/load.py:two")) == [
        "data.reader: load.py:one -> load.py:two"
    ]
    (folder / "load.py").write_text("x = 2")
    now = recipe(reader=f"{folder}/load.py:one")
    assert told(before, now) == ["the content of load.py is another one"]


def test_a_geometry_counts_with_the_masks_that_it_names(folder: Path) -> None:
    """By content and name, and with what else is asked of it."""
    text = "mask = /mask\nmask_file = m.h5\nmask_bad = 0x20\n" + GEOM
    (folder / "g.geom").write_text(text)
    with h5py.File(folder / "m.h5", "w") as file:
        file["mask"] = np.zeros((1, 4, 4), np.uint16)
    one = Calibration(geometry=GeometrySpec(str(folder / "g.geom")))
    before = recipe(one)
    with h5py.File(folder / "m.h5", "r+") as file:
        file["mask"][0, 0, 0] = 32
    assert told(before, recipe(one)) == ["the content of m.h5 is another one"]
    other = Calibration(geometry=GeometrySpec(str(folder / "g.geom"), first_module=1))
    assert recipe(other).digest != recipe(one).digest


def test_a_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that two masks name."""
    read = []

    def noted(path: str) -> str:
        read.append(Path(path).name)
        return file_digest(path)

    monkeypatch.setattr(recipe_module, "file_digest", noted)
    recipe(with_files(folder))
    assert sorted(read) == ["center.npy", "dark.npy", "gain.npy", "mask.npy"]


def test_a_missing_file_is_named(folder: Path) -> None:
    """As an error of the source."""
    (folder / "gain.npy").unlink()
    with pytest.raises(SourceError, match=r"cannot read .*gain\.npy: No such file"):
        recipe(with_files(folder))


@pytest.mark.parametrize(
    "change",
    [
        {"pid": (1, 3)},
        {"row": 3},
        {"dataset": "/other"},
        {"source": Source("/data/run.cxi", "cxi", 1001)},
        {"source": Source("/data/other.cxi", "cxi", 1000)},
        {"more": (Part(Source("/data/second.cxi", "cxi", 7), "", 0),)},
    ],
)
def test_the_event_counts(change: dict[str, Any]) -> None:
    """Data files by name and size; not by folder."""
    one = recipe()
    other = replace(EVENT, **change)
    assert one.fingerprint(EVENT) != one.fingerprint(other)
    assert one.former_fingerprint(EVENT) != one.former_fingerprint(other)
    moved = replace(EVENT, source=replace(EVENT.source, path="/elsewhere/run.cxi", mtime_ns=7))
    assert one.fingerprint(EVENT) == one.fingerprint(moved)


def with_a_new_key(monkeypatch: pytest.MonkeyPatch, default: int) -> None:
    """Let the settings have one more key."""
    kind = make_dataclass(
        "Init", [("novelty", int, option(default, "a new key"))],
        bases=(settings_module.Init,), frozen=True,
    )  # fmt: skip
    monkeypatch.setattr(settings_module, "Init", kind)
    monkeypatch.setitem(settings_module.SECTIONS, "init", kind)


def test_a_new_key_with_its_default_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old campaigns stay what they are, by both rules; only another value is another recipe."""
    settings = Settings().set("init", "supportsize", 70)
    before = recipe(settings=settings)
    with_a_new_key(monkeypatch, 3)
    now = Settings().set("init", "supportsize", 70)
    assert now.get("init", "novelty") == 3
    assert recipe(settings=now) == before
    changed = recipe(settings=now.set("init", "novelty", 4))
    assert changed.digest != before.digest
    assert told(before, changed) == ["settings.init.novelty: 3 -> 4"]
    assert changed.former_fingerprint(EVENT) == "", "version 0.1.0 made nothing of the kind"


def test_what_only_python_uses_changes_nothing() -> None:
    """Number of GPUs and threads, and the folder."""
    settings = Settings().set("global", "threads", 3).set("global", "workdir", "x")
    assert recipe(settings=settings) == recipe()


def test_the_rule_of_version_0_1_0() -> None:
    """What that version made of an event in two files, and of a pattern from Python."""
    settings = Settings().set("init", "supportsize", 70).set("global", "threads", 3)
    settings.set("SW", "area", 5.0)
    part = Part(Source("/d/b.h5", "euxfel", 11), "D", 4)
    parts = EventRef((1, 3), Source("/d/a.h5", "euxfel", 10), "D", 2, (part,))
    made = recipe(Calibration(center=(1.5, 2.0), satvalue=3.0), settings=settings, seed=7)
    assert made.former_fingerprint(parts) == "239f7afb24ea9e4a06b4b810382b9ed1"
    event = EventRef((1, 2), Source("/d/run.cxi", "cxi", 1000), "/e", 2)
    own: dict[str, Any] = {name: ArraySpec(dataset=name) for name in ("background", "gain")}
    spooled = of_spooled(Calibration(satvalue=3e4, **own), settings, 32, 16, 7)
    assert spooled.former_fingerprint(event) == "29ec808d06d60a465731d99acc2c25d2"
    assert version_0_1_0.calibration(Calibration(), (), {}) == "83db29416453e4450b14690b92a1e7d5"
    assert version_0_1_0.is_fingerprint(made.former_fingerprint(parts))
    assert not version_0_1_0.is_fingerprint(made.fingerprint(parts))


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(gain_bits="jungfrau"),
        Calibration(masks=(MaskSpec(bad=7),)),
        Calibration(background=(1.0, 2.0, 3.0)),
    ],
)
def test_what_version_0_1_0_did_not_know(calibration: Calibration) -> None:
    """No result of it can be of that; the other rule knows it."""
    assert recipe(calibration).former_fingerprint(EVENT) == ""
    assert recipe(calibration).fingerprint(EVENT) != recipe().fingerprint(EVENT)


def test_a_pattern_from_python_is_its_own_calibration() -> None:
    """Saturation and settings count."""
    one, other = (
        of_spooled(Calibration(satvalue=value), Settings(), 32, 16, 1) for value in (None, 3.0)
    )
    assert one.digest != other.digest
    assert one.former != other.former != ""


def test_digest_of_equal_values() -> None:
    """The order of keys does not matter, values do."""
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
