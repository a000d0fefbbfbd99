"""psana's geometry texts: the tree of objects, their sensors, and what a wrong line is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.reading import is_read_or_refused
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events.geometry import Geometry, GeometrySpec, read_geometry
from spring_mpi.events.geometry.psana import read
from spring_mpi.events.geometry.segments import find_segment

# Two sensors of 2 x 3 pixels of 100 um: the first 1 mm down and 2 mm right of the beam, the
# second turned by 90 degrees in a frame that is 4 mm further right; 0.5 m from the sample.
GOLDEN = """\
# a comment
# HDR PARENT IND  OBJECT IND  X0 Y0 Z0  ROT-Z ROT-Y ROT-X  TILT-Z TILT-Y TILT-X

CAMERA:V1   0   MTRX:2:3:100:100   0   1000 2000   0    0 0 0    0 0 0
CAMERA:V1   0   HALF:V1            0   1000 4000   50   0 0 0    0 0 0
HALF:V1     0   MTRX:2:3:100:100   1      0 2000   0   80 0 0   10 0 0
IP          0   CAMERA:V1          0      0    0   500000    0 0 0    0 0 0
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Geometry]:
    """``write(text)``: the geometry of a file with that text."""

    def write(text: str) -> Geometry:
        (tmp_path / "geometry.data").write_text(text)
        return read_geometry(GeometrySpec(str(tmp_path / "geometry.data")))

    return write


def test_golden_positions(write: Callable[[str], Geometry]) -> None:
    """psana's x is down, y right, z against the beam; rot and tilt add up, parents come last."""
    geometry = write(GOLDEN)
    assert geometry.shape == (2, 2, 3)
    expected = {
        (0, 0, 0): (-0.0020, -0.0010, 0.5),
        (0, 1, 0): (-0.0020, -0.0011, 0.5),
        (0, 0, 2): (-0.0022, -0.0010, 0.5),
        (1, 0, 0): (-0.0060, -0.0010, 0.49995),
        (1, 1, 0): (-0.0061, -0.0010, 0.49995),
        (1, 0, 2): (-0.0060, -0.0008, 0.49995),
    }
    for place, position in expected.items():
        assert geometry.positions[place] == pytest.approx(position, abs=1e-9)


def test_golden_image(write: Callable[[str], Geometry]) -> None:
    """An unturned matrix comes into the image as it is, one turned by 90 degrees anticlockwise."""
    geometry = write(GOLDEN)
    image, _ = geometry.assemble(np.arange(1, 13).reshape(2, 2, 3))
    assert image.shape == (4, 42)
    assert image[2:, :3].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert image[:3, -2:].tolist() == [[9, 12], [8, 11], [7, 10]]
    assert geometry.center == pytest.approx((2 - 10, -20), abs=2e-3)


def test_rotations_in_order(write: Callable[[str], Geometry]) -> None:
    """About z, then y, then x: 90 degrees each take x to z, and leave y."""
    line = "IP 0 MTRX:2:2:100:100 0 0 0 0 90 90 90 0 0 0"
    row, column = (
        np.diff(write(line).positions[0], axis=0)[0, 0],
        np.diff(write(line).positions[0], axis=1)[0, 0],
    )
    # z turns (1,0,0) to (0,1,0), y leaves it, x turns it to (0,0,1), against the beam.
    assert row == pytest.approx([0, 0, -1e-4], abs=1e-9)
    # z turns (0,1,0) to (-1,0,0), y to (0,0,1), x to (0,-1,0), which is left.
    assert column == pytest.approx([1e-4, 0, 0], abs=1e-9)


@pytest.mark.parametrize(
    ("name", "shape", "pitch", "width", "gap", "wide"),
    [
        ("SENS2X1:V1", (185, 388), 109.92, 42868.8, 439.68, 370),
        ("EPIX100:V1", (704, 768), 50, 38600, 300, 2 * 704 + 2 * 768 - 4),
        ("EPIX10KA:V1", (352, 384), 100, 38550, 350, 2 * 352 + 2 * 384 - 4),
        ("JUNGFRAU:V1", (512, 1024), 75, 77175, 225, 6 * 512 + 2 * 1024 - 12),
        ("JUNGFRAU:V2", (512, 1024), 75, 77175, 150, 6 * 512 + 2 * 1024 - 12),
    ],
)
def test_sensors(
    name: str, shape: tuple[int, int], pitch: float, width: float, gap: float, wide: int
) -> None:
    """Sizes in micrometres: the pitch, first to last column, and across the middle."""
    segment = find_segment(name)
    assert segment is not None
    assert segment.x.shape == segment.y.shape == shape
    middle = shape[1] // 2
    assert segment.x[0, 1] - segment.x[0, 0] == pytest.approx(pitch) == segment.pitch
    assert segment.x[0, -1] - segment.x[0, 0] == pytest.approx(width)
    assert segment.x[0, middle] - segment.x[0, middle - 1] == pytest.approx(gap)
    assert segment.wide.sum() == wide
    assert segment.wide[:, middle - 1 : middle + 1].all()
    assert segment.x.mean() == pytest.approx(0, abs=1e-9) == segment.y.mean()


def test_wide_pixels_are_bad(write: Callable[[str], Geometry]) -> None:
    """The central columns of the CSPAD gather the light of 2.5 pixels: shown, but excluded."""
    geometry = write("IP 0 SENS2X1:V1 0 0 0 0 0 0 0 0 0 0")
    excluded = geometry.excluded & (geometry.gather >= 0)
    assert set(geometry.gather[excluded] % 388) == {193, 194}
    assert geometry.lost == 0
    # Between them is the place of three pixels.
    assert geometry.gather.shape == (388 + 3, 185)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("80 0 0   10 0 0", "80 0 0   10 0", "line 6: has 12 fields, not 13"),
        ("1000 2000", "1000 east", "line 4: could not convert string to float: 'east'"),
        ("1000 2000", "1000 nan", "line 4: a length or an angle is not possible"),
        ("1000 2000", "1000 1e300", "line 4: a length or an angle is not possible"),
        ("CAMERA:V1   0   HALF", "CAMERA:V2   0   HALF", "one outermost object, but has 2: CAMERA"),
        ("IP          0 ", "HALF:V1     0 ", "must have one outermost object, but has 0: none"),
        ("MTRX:2:3:100:100   1", "MTRX:2:2:100:100   1", "line 6: MTRX:2:2.* beside MTRX:2:3"),
        ("MTRX:2:3:100:100", "MTRX:2:3:100:90", "MTRX:2:3:100:90 has no square pixels"),
        ("MTRX:2:3:100:100", "MTRX:2:3:1.0.0:9", "could not convert"),
        ("MTRX:2:3:100:100", "OPAL1000:V1", "line 4: the sensor 'OPAL1000:V1' is not known"),
        ("MTRX:2:3:100:100", "MTRX:99999:99999:9:9", "MTRX:99999.* has too many pixels"),
        ("HALF:V1     0   MTRX", "CAMERA:V1   0   MTRX", "line 5: HALF:V1 beside MTRX"),
        ("MTRX:2:3:100:100   1", "HALF:V1   0", "line 5: there are two HALF:V1 0"),
        (GOLDEN, "# nothing\n", "places no sensor"),
    ],
)
def test_wrong_lines(write: Callable[[str], Geometry], old: str, new: str, message: str) -> None:
    """Every fault is told with its line, and what would be right."""
    assert old in GOLDEN
    with pytest.raises(SourceError, match=rf"data cannot be read as a geometry: .*{message}"):
        write(GOLDEN.replace(old, new))


def test_circles(write: Callable[[str], Geometry]) -> None:
    """Objects that hang on each other, apart from the tree, are an error."""
    tail = " 0 0 0 0 0 0 0 0 0\n"
    with pytest.raises(SourceError, match="their own parents"):
        write(GOLDEN + f"A 0 B 0{tail}B 0 A 0{tail}")


def test_deep_trees(write: Callable[[str], Geometry]) -> None:
    """A chain of thousands of objects is read as any other."""
    tail = " 1 0 0 0 0 0 0 0 0\n"
    chain = "".join(f"A {n} A {n + 1}{tail}" for n in range(3000))
    positions = write(chain + f"A 3000 MTRX:1:1:100:100 0{tail}").positions
    assert positions[0, 0, 0] == pytest.approx([0, -3001e-6, 0], abs=1e-9)


def hostile() -> st.SearchStrategy[str]:
    """Lines of a few names that may hang on each other in any way, with any numbers."""
    names = st.sampled_from(["IP 0", "CAMERA:V1 0", "HALF:V1 0", "HALF:V1 1", "MTRX:2:3:100:100 1",
                             "MTRX:V2:2:3:100:100 2", "MTRX:99999:99999:1:1 0", "A -1", "B x",
                             "MTRX:0:1:1:1 0"])  # fmt: skip
    numbers = st.sampled_from(["0", "-1", "180", "1e9", "1e308", "nan", "-inf", "0x1", "100000"])
    values = st.lists(numbers, min_size=8, max_size=10).map(" ".join)
    line = st.builds("{} {} 0 {}".format, names, names, values) | st.text(max_size=40)
    mixed = st.lists(line | st.sampled_from(GOLDEN.splitlines()), max_size=8)
    return mixed.map("\n".join) | st.text()


@settings(max_examples=1000)
@given(hostile())
def test_hostile_texts(text: str) -> None:
    """No text does more than to be refused."""
    is_read_or_refused(lambda: read(text))


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=100_000)
@given(hostile())
def test_many_hostile_texts(text: str) -> None:
    """As above, for longer."""
    is_read_or_refused(lambda: read(text))
