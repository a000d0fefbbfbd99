"""An index is compared with what is wanted: sources, and what of the options is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.hdf5.plain import Hdf5Reader
from spring_mpi.events.index.event_index import EventIndex
from spring_mpi.events.index.origin import differences
from spring_mpi.events.index.wanted import Wanted

FRAMES = np.zeros((2, 3, 3), np.uint16)


@pytest.fixture
def files(write_hdf5: Callable[..., Path]) -> Path:
    """A folder with three files."""
    names = [write_hdf5(f"{name}.h5", {"data": FRAMES, "shot": [3, 4]}) for name in "abc"]
    return names[0].parent


def built(files: Path, *texts: str, **options: Any) -> EventIndex:
    return build_index(texts, root=files, **({"dataset": "data"} | options))


def told(files: Path, index: EventIndex, *texts: str, **options: Any) -> list[str]:
    wanted = {"reader": "auto", "dataset": None, "pid": (), "run": None} | options
    return list(differences(Wanted(texts, root=str(files), **wanted), index))


def test_the_same_in_other_words(files: Path) -> None:
    """Patterns or names, links, what is left out, slashes, and the reader that auto is."""
    index = built(files, "a.h5", "b.h5", pid=["shot"])
    (files / "link.h5").symlink_to(files / "b.h5")
    assert told(files, index, "[ab].h5") == []
    assert told(files, index, "a.h5", "link.h5", dataset="/data", pid=("/shot",)) == []
    assert told(files, index, "a.h5", "b.h5", reader="hdf5") == []


@pytest.mark.parametrize(
    ("texts", "options", "expected"),
    [
        (["*.h5"], {}, ["lacks the source {}/c.h5, which data.source names; build it again"]),
        (["a.h5"], {}, ["is of the source {}/b.h5, which data.source does not name"]),
        (["c.h5"], {}, ["is of the sources {0}/a.h5, {0}/b.h5, which data", "lacks the source"]),
        (["[ab].h5"], {"dataset": "frame"}, ["is of the dataset data, not frame"]),
        (["[ab].h5"], {"pid": ("data",)}, ["was built with the pid shot, not data"]),
        (["[ab].h5"], {"run": 7}, ["was built with the run none, not 7"]),
        (["[ab].h5"], {"reader": "cxi"}, ["was built with the reader hdf5, not cxi"]),
    ],
)
def test_another_one(
    texts: list[str], options: dict[str, Any], expected: list[str], files: Path
) -> None:
    found = told(files, built(files, "a.h5", "b.h5", pid=["shot"]), *texts, **options)
    assert len(found) == len(expected)
    for text, begin in zip(found, expected, strict=True):
        assert text.startswith(begin.format(files))


def test_no_source_is_opened(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start with an index costs no look into thousands of files."""
    index = built(files, "*.h5")
    monkeypatch.setattr(Hdf5Reader, "sniff", lambda *_: pytest.fail("a file is opened"))
    monkeypatch.setattr("h5py.File", lambda *_: pytest.fail("a file is opened"))
    assert told(files, index, "*.h5") == []


def test_sources_that_are_not_there(files: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches 'd\.h5'"):
        told(files, built(files, "a.h5"), "d.h5")
