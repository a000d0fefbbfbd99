"""A user's own function reads files; whatever goes wrong in it is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spring_mpi.errors import PatternError, SourceError
from spring_mpi.events import EventIndex, build_index
from spring_mpi.events.formats.user_file import loader_digest

HEADER = """
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from spring_mpi.events import Event

def fields(path):
    number = int(Path(path).read_text())
    return {"data": np.full((3, 4), number), "mask": np.eye(3, 4), "center": (1, 2), "pid": (5, 6)}
"""
RETURNS = {
    "mapping": "dict(pattern=f['data'], mask=f['mask'], center=f['center'], pid=f['pid'])",
    "their Pattern": "SimpleNamespace(pattern=f['data'], mask=f['mask'], center=f['center'], "
    "pid=f['pid'])",
    "our Pattern": "SimpleNamespace(raw=f['data'], excluded=f['mask'] > 0, center=f['center'], "
    "pid=f['pid'], mask=None, data=None)",
    "Event": "Event(data=f['data'], mask=f['mask'] > 0, center=f['center'], pid=f['pid'], "
    "source=path)",
}


def index_with(folder: Path, body: str, **options: Any) -> EventIndex:
    """The index of one data file that a function of this body reads."""
    (folder / "my_loader.py").write_text(f"{HEADER}\ndef load_data(path):\n    {body}\n")
    (folder / "shot.dat").write_text("42")
    return build_index("*.dat", reader="my_loader.py:load_data", root=folder, **options)


@pytest.mark.parametrize("result", RETURNS.values(), ids=RETURNS.keys())
def test_what_functions_may_return(result: str, tmp_path: Path) -> None:
    """Frame, mask, centre and pid arrive from every kind of result."""
    event = index_with(tmp_path, f"f = fields(path); return {result}").read((5, 6))
    assert event.mask is not None
    assert event.mask.tolist() == np.eye(3, 4, dtype=bool).tolist()
    assert (event.data.tolist(), event.center) == ([[42] * 4] * 3, (1.0, 2.0))


def test_everything_but_the_frame_may_be_missing(tmp_path: Path) -> None:
    """A bare frame gets the pid (run, row) and no mask."""
    event = index_with(tmp_path, "return {'pattern': np.zeros((3, 4))}", run=8).read((8, 0))
    assert (event.mask, event.center) == (None, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise LookupError('no such shot')", "raised LookupError: no such shot"),
        ("import sys; sys.exit('no beam')", "raised SystemExit: no beam"),
        ("return None", "returned NoneType without a frame"),
        ("return np.zeros((3, 4))", "returned ndarray without a frame"),
        ("return {'pattern': np.zeros(3)}", r"\(3,\)"),
        ("return {'pattern': np.zeros((3, 4)), 'pid': 'abc'}", "64-bit integers"),
    ],
)
def test_faults_of_functions(body: str, reason: str, tmp_path: Path) -> None:
    """Whatever the function does wrong is an error that names the data file."""
    with pytest.raises(SourceError, match=reason) as caught:
        index_with(tmp_path, body)
    assert str(tmp_path / "shot.dat") in str(caught.value)


def test_faults_of_files(tmp_path: Path) -> None:
    """A loader file without the function, or that does not run, is an error that names it."""
    (tmp_path / "a.dat").touch()
    (tmp_path / "broken.py").write_text("import no_such_module_at_all")
    (tmp_path / "exits.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(SourceError, match=r"exits\.py.*SystemExit: 3"):
        build_index("a.dat", reader="exits.py:load", root=tmp_path)
    with pytest.raises(SourceError, match=r"broken\.py.*no_such_module_at_all"):
        build_index("a.dat", reader="broken.py:load", root=tmp_path)
    with pytest.raises(SourceError, match=r"no function 'load' in .*empty\.py"):
        build_index("a.dat", reader="empty.py:load", root=tmp_path)


def test_digest_follows_the_loader(tmp_path: Path) -> None:
    """The digest changes with the file's bytes alone; other readers have none."""
    for name, text in (("a.py", "x = 1"), ("b.py", "x = 1"), ("c.py", "x = 2")):
        (tmp_path / name).write_text(text)
    one, same, other = (loader_digest(f"{tmp_path / name}.py:load") for name in "abc")
    assert (one == same, one == other, len(one)) == (True, False, 32)
    assert [loader_digest(reader) for reader in ("auto", "npz", "simulate")] == ["", "", ""]


def test_digest_of_no_loader(tmp_path: Path) -> None:
    """A loader that is not there is an error that names it."""
    with pytest.raises(SourceError, match=r"cannot read .*none\.py: No such file"):
        loader_digest(f"{tmp_path}/none.py:load")


def test_mask_of_another_shape(tmp_path: Path) -> None:
    """A mask that does not fit its frame is an error with both shapes."""
    body = "return {'pattern': np.zeros((3, 4)), 'mask': np.zeros((4, 3)), 'pid': 1}"
    index = index_with(tmp_path, body)
    with pytest.raises(PatternError, match=r"\(3, 4\).*\(4, 3\)"):
        index.read(1)
