"""CrystFEL's geometry files: what each key means, and what a wrong line is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.reading import is_read_or_refused
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import PatternError, SourceError
from spring_mpi.events.geometry import FileMask, Geometry, GeometrySpec, read_geometry
from spring_mpi.events.geometry.crystfel import read

# Two panels of 2 x 3 pixels in one slab; the second is turned by 180 degrees.
GOLDEN = """\
; a comment with a key = value in it
photon_energy = 9300 eV
adu_per_eV = 0.0075 ; not about places
clen = 150 mm
res = 10000     ; pixels of 0.1 mm
rigid_group_q0 = a,b
data = /entry_1/data_1/data
dim0 = %
dim1 = ss
dim2 = fs

a/min_fs = 0
a/max_fs = 2
a/min_ss = 0
a/max_ss = 1
a/fs = +1.0x +0.0y
a/ss = +0.0x +1.0y
a/corner_x = 10
a/corner_y = 20.5
a/coffset = 0.001

b/min_fs = 0.0
b/max_fs = 2.0
b/min_ss = 2
b/max_ss = 3
b/fs = -x
b/ss = - y + 2e-1z
b/corner_x = -10
b/corner_y = -20
"""
BAD = GOLDEN + "badr/min_fs = 1\nbadr/max_fs = 1\nbadr/min_ss = 1\nbadr/max_ss = 2\n"


def badx(*limits: float) -> str:
    """A bad region from x to x and from y to y."""
    keys = ("min_x", "max_x", "min_y", "max_y")
    return "\n".join(f"badx/{key} = {limit}" for key, limit in zip(keys, limits, strict=True))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Geometry]:
    """``write(text)``: the geometry of a file with that text."""

    def write(text: str) -> Geometry:
        (tmp_path / "x.geom").write_text(text)
        return read_geometry(GeometrySpec(str(tmp_path / "x.geom")))

    return write


def bad_pixels(geometry: Geometry) -> list[int]:
    """Numbers in the stack of the pixels that are shown, but excluded."""
    return sorted(geometry.gather[geometry.excluded & (geometry.gather >= 0)].tolist())


def test_golden_positions(write: Callable[[str], Geometry]) -> None:
    """Corners are outer corners in pixels, positions centres in metres; max is inclusive."""
    geometry = write(GOLDEN)
    assert geometry.shape == (1, 4, 3)
    expected = {
        (0, 0): (0.00105, 0.00210, 0.151),
        (0, 2): (0.00125, 0.00210, 0.151),
        (1, 0): (0.00105, 0.00220, 0.151),
        (2, 0): (-0.00105, -0.00205, 0.15001),
        (3, 2): (-0.00125, -0.00215, 0.15003),
    }
    for (row, column), place in expected.items():
        assert geometry.positions[0, row, column] == pytest.approx(place, abs=1e-9)
    assert geometry.pixel == pytest.approx((1e-4, 1e-4))


def test_axes_and_modules(write: Callable[[str], Geometry]) -> None:
    """A number before ss and fs is the module; without any dim there is one."""
    text = GOLDEN.replace("dim1 = ss", "a/dim1 = 0").replace("dim2 = fs", "b/dim1 = 2")
    text = text.replace("res =", "dim2 = ss\ndim3 = fs\nres =")
    geometry = write(text)
    assert geometry.shape == (3, 4, 3)
    assert np.isfinite(geometry.positions[..., 0]).sum(axis=(1, 2)).tolist() == [6, 0, 6]
    assert write(GOLDEN.replace("dim", "; dim")).shape == (1, 4, 3)


def test_defaults_hold_from_where_they_are(write: Callable[[str], Geometry]) -> None:
    """A value without a panel is for the panels that are first named below it."""
    early = GOLDEN.replace("b/min_fs", "coffset = 0.1\nb/min_fs")
    positions = write(early).positions
    assert positions[0, 0, 0, 2] == pytest.approx(0.151)
    assert positions[0, 2, 0, 2] == pytest.approx(0.25001)


@pytest.mark.parametrize(
    ("line", "z"),
    [("clen = 150 mm", 0.15), ("clen = 0.15", 0.15), ("clen = 0.15 m", 0.15),
     ("clen = /LCLS/EncoderValue", 0.0), ("", 0.0)],
)  # fmt: skip
def test_distance(write: Callable[[str], Geometry], line: str, z: float) -> None:
    """clen is metres or millimetres; a dataset says nothing about a single file."""
    geometry = write(GOLDEN.replace("clen = 150 mm", line))
    assert geometry.positions[0, 0, 0, 2] == pytest.approx(z + 0.001)


def test_detector_shift(write: Callable[[str], Geometry]) -> None:
    """The whole detector is moved by detector_shift."""
    shifted = write(GOLDEN + "detector_shift_x = 1 mm\ndetector_shift_y = -0.002\n")
    difference = shifted.positions - write(GOLDEN).positions
    assert difference.reshape(-1, 3) == pytest.approx(np.tile([0.001, -0.002, 0], (12, 1)))


@pytest.mark.parametrize(
    ("lines", "pixels"),
    [
        ("", []),
        ("a/no_index = 1", [0, 1, 2, 3, 4, 5]),
        ("a/no_index = 0", []),
        ("b/no_index = true", [6, 7, 8, 9, 10, 11]),
        ("b/mask_edge_pixels = 1", [6, 7, 8, 9, 10, 11]),
        (BAD[len(GOLDEN) :], [4, 7]),
        (BAD[len(GOLDEN) :] + "badr/panel = b\n", [7]),
        (badx(10.9, 12.1, 20, 21), [1, 2]),
        (badx(11, 12.1, 20.5, 22), [5]),
        (badx(10, 12, 20, 21.5), [1]),
        ("detector_shift_x = 0.5 mm\ndetector_shift_y = 0\n" + badx(15.9, 17, 20, 21), [1]),
    ],
)
def test_bad_regions(write: Callable[[str], Geometry], lines: str, pixels: list[int]) -> None:
    """Whole panels, edges, and regions: those in data coordinates with their edges, those in pixels
    from the beam without, by the first corners of the pixels of the shifted detector."""
    assert bad_pixels(write(GOLDEN + lines)) == pixels


def test_masks(write: Callable[[str], Geometry], tmp_path: Path) -> None:
    """Old and new names; a relative file lies beside the geometry, none is the event's source."""
    text = "mask = /m\nmask_good = 0x1\nmask1_data = /n\nmask1_file = b.h5\nmask1_badbits = 6\n"
    text += "mask2_data = /o\nmask2_badbits = 0x8000000000000000\n"
    geometry = write(text + GOLDEN)
    second = FileMask(str(tmp_path / "b.h5"), "/n", 0, 6)
    third = FileMask(None, "/o", 0, 2**63)
    assert geometry.masks == (FileMask(None, "/m", 1, 0), second, third)
    assert third.excluded(np.array([-1, 1], dtype=np.int64)).tolist() == [True, False]
    values = np.arange(8, dtype=np.uint8)
    assert np.flatnonzero(second.excluded(values)).tolist() == [2, 3, 4, 5, 6, 7]
    assert np.flatnonzero(geometry.masks[0].excluded(values)).tolist() == [0, 2, 4, 6]


def test_plane_of_the_values_in_raw_agipd_data(write: Callable[[str], Geometry]) -> None:
    """Between module and ss there may be the plane, which must be that of the values."""
    text = GOLDEN.replace("dim1 = ss", "a/dim1 = 0").replace("dim2 = fs", "b/dim1 = 2")
    text = text.replace("res =", "dim2 = 0\ndim3 = ss\ndim4 = fs\nres =")
    assert write(text).shape[0] == 3
    with pytest.raises(SourceError, match="dim2 must be 0, the plane of the values"):
        write(text.replace("dim2 = 0", "dim2 = 1"))


def test_masks_of_single_panels(write: Callable[[str], Geometry]) -> None:
    """A mask holds for the panels that have it; old names mean the mask of number 0."""
    text = "mask = /m\nmask0_badbits = 1\n" + GOLDEN + "b/mask_bad = 2\na/mask3_data = /n\n"
    first, other, second = write(text + "a/mask3_goodbits = 4\n").masks
    assert first == FileMask(None, "/m", 0, 1, ((0, 0, 2, 0, 3),))
    assert second == FileMask(None, "/m", 0, 2, ((0, 2, 4, 0, 3),))
    assert other == FileMask(None, "/n", 4, 0, ((0, 0, 2, 0, 3),))
    values = np.full((4, 3), 3, np.uint8)
    assert first.excluded(values).tolist() == [[True] * 3] * 2 + [[False] * 3] * 2
    assert second.excluded(values[None]).tolist() == [[[False] * 3] * 2 + [[True] * 3] * 2]
    with pytest.raises(PatternError, match="too small for the panels"):
        second.excluded(values[:3])


def test_mask_without_bits(write: Callable[[str], Geometry]) -> None:
    """It excludes nothing, which is said."""
    geometry = write("mask1_data = /m\n" + GOLDEN + "b/mask1_data = /n\nb/mask1_badbits = 1\n")
    assert [mask.dataset for mask in geometry.masks] == ["/n"]
    ((name, reason),) = geometry.unread
    assert name == "the geometry's mask /m"
    assert "mask1_goodbits" in reason


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a/max_fs = 2", "a/max_fs = 2.5", "line 13: max_fs must be 0 or a positive whole number"),
        ("a/max_fs = 2", "a/max_fs = -1", "line 13: max_fs must be 0 or a positive whole number"),
        ("a/min_fs = 0", "a/min_fs = 5", "line 13: max_fs must be at least min_fs .5., not '2'"),
        ("a/max_ss = 1", "a/max_ss = 2", "panels a and b share pixels"),
        ("a/max_ss = 1", "a/max_ss = 9999999999", "line 15: max_ss must be a number"),
        ("a/max_ss = 1", "a/max_ss = 99999999", "too many to hold"),
        ("a/corner_x = 10\n", "", "line 12: a has no corner_x"),
        ("a/corner_x = 10\n", "a/corner_x = ten\n", "line 18: corner_x must be a number, not 'ten"),
        ("a/corner_x = 10\n", "a/corner_x = nan\n", "line 18: corner_x must be a number"),
        ("a/corner_x = 10\n", "a/corner_x 10\n", "line 18: must be KEY = VALUE"),
        ("a/fs = +1.0x", "a/fs = +1.0w", "line 16: fs must be a direction"),
        ("a/fs = +1.0x", "a/fs = +1.0x +2x", "line 16: fs must be a direction"),
        ("a/fs = +1.0x", "a/fs = +1.0.0x", "line 16: fs must be a direction"),
        ("res = 10000", "res = 0", "line 5: res must be the number of pixels in a metre"),
        ("b/min_fs", "b/res = 7000\nb/min_fs", "line 22: res must be the same for all panels"),
        ("dim1 = ss", "dim1 = fs", "line 10: dim2 must be the last of"),
        ("dim2 = fs", "dim2 = 7", "line 10: dim2 must be the last of"),
        ("clen", "badr/min_x = 1\nclen", "line 4: badr needs min_x, max_x, min_y and max_y"),
        ("clen", BAD[len(GOLDEN) :] + "badr/panel = c\nclen", "line 8: panel must be the name"),
        ("clen", "detector_shift_x = /x\nclen", "line 4: detector_shift_x must be a length"),
        ("clen", "mask = /x\nmask_bad = ff\nclen", "line 5: mask0_badbits must be a number such"),
        ("clen = ", f"clen = {'0' * 300}", "line 4: clen has more than 200 characters"),
    ],
)
def test_wrong_lines(write: Callable[[str], Geometry], old: str, new: str, message: str) -> None:
    """Every fault is told with its line and what would be right."""
    assert old in GOLDEN
    with pytest.raises(SourceError, match=rf"x\.geom cannot be read as a geometry: .*{message}"):
        write(GOLDEN.replace(old, new, 1))


def test_no_panel(write: Callable[[str], Geometry]) -> None:
    """A file without panels is told so."""
    with pytest.raises(SourceError, match="names no panel"):
        write("clen = 1\n")


def hostile() -> st.SearchStrategy[str]:
    """The golden text with some lines replaced, keys and values exchanged, or anything at all."""
    keys = sorted({line.partition("=")[0].strip() for line in BAD.splitlines() if "=" in line})
    values = st.sampled_from(
        ["0", "1", "-1", "2.5", "1e300", "nan", "inf", "99999999999", "-0.0", "ss", "fs", "%", "x",
         "+1x+1y+1z", "1e5x", ".x", "+.e1x", "0x1f", "", "=", "/", "true", "100000"]
    ) | st.text(max_size=8)  # fmt: skip
    keys_too = st.sampled_from([*keys, "dim3", "a/dim1", "a/no_index", "b/mask_edge_pixels", "mask",
                                "mask_bad", "badr/panel", "badx/min_x", "c/min_fs"])  # fmt: skip
    line = st.builds("{} = {}".format, keys_too | st.text(max_size=8), values)
    mixed = st.lists(line | st.sampled_from(BAD.splitlines()), max_size=8)
    return mixed.map(lambda lines: "\n".join([BAD, *lines])) | st.text()


@settings(max_examples=1000)
@given(hostile())
def test_hostile_texts(text: str) -> None:
    """No text does more than to be refused."""
    is_read_or_refused(lambda: read(text, "/"))


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=100_000)
@given(hostile())
def test_many_hostile_texts(text: str) -> None:
    """As above, for longer."""
    is_read_or_refused(lambda: read(text, "/"))
