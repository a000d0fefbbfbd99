"""ePix and Jungfrau of LCLS-I: where their pixels lie, and that gain bits are no intensity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc as write
from helpers.formats import xtc_panels as panels

from spring_mpi.errors import SourceError
from spring_mpi.events.formats.lcls1.handle import XtcHandle
from spring_mpi.events.formats.reader import Frame, Scan
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.gain_stages import CODINGS
from spring_mpi.events.geometry.psana import read as read_objects
from spring_mpi.events.reading.stacking import assembled

NOISE = np.random.default_rng(5)
SMALL = NOISE.integers(0, 2**16, (12, 16)).astype(np.uint16)

Read = Callable[[bytes, bytes], tuple[Scan, Frame]]


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Read]:
    """``read(data, configuration)``: the scan of a run with one event, and its frame."""
    handles = []

    def make(data: bytes, configuration: bytes) -> tuple[Scan, Frame]:
        path = str(tmp_path / "e1-r0001-s00-c00.xtc")
        events = write.events(1, write.segment(data))
        datagrams = write.run(*events, configuration=write.segment(configuration))
        Path(path).write_bytes(write.encode(datagrams))
        handles.append(XtcHandle(path))
        scan = find_reader("xtc").scan(path, dataset=None, pid=None)
        assert scan.rows is not None
        return scan, handles[-1].event(scan.dataset, int(scan.rows[0]))

    yield make
    for handle in handles:
        handle.close()


@pytest.mark.parametrize(("kind", "words"), [(74, 21), (83, 23)])
@pytest.mark.parametrize("excluded", [0, 2])
def test_epix_with_excluded_rows(kind: int, words: int, excluded: int, read: Read) -> None:
    """The frame ends before them."""
    config = panels.old_epix_config(kind, words, SMALL.shape, excluded)
    scan, frame = read(panels.epix(SMALL, 1, excluded), config)
    assert (scan.shape, scan.dtype) == ((1, 12, 16), "uint16")
    assert frame.data.tolist() == SMALL.tolist()


def test_epix_of_a_generic_configuration(read: Read) -> None:
    """Sizes stand in the configuration of the card that reads it out."""
    config = panels.generic_epix_config(SMALL.shape, excluded=2)
    _, frame = read(panels.epix(SMALL, 1, 2), config)
    assert frame.data.tolist() == SMALL.tolist()


@pytest.mark.parametrize(
    ("kind", "version", "words"),
    [(84, 1, 23), (84, 2, 32), (88, 1, 25), (112, 1, 32), (112, 2, 32)],
)
@pytest.mark.parametrize("data_version", [2, 3])
def test_epix_with_rows_for_calibration(
    kind: int, version: int, words: int, data_version: int, read: Read
) -> None:
    """The frame is what can be read of it, without those rows and without rows that cannot."""
    config = panels.epix_config(kind, version, words, SMALL.shape, panels.EPIX)
    others = 2 * (panels.CALIBRATION + panels.ENVIRONMENT)
    scan, frame = read(panels.epix(SMALL, data_version, others), config)
    assert scan.shape == (1, 12, 16)
    assert frame.data.tolist() == SMALL.tolist()
    assert frame.raw is not None
    # The kind of the detector is that of its configuration, whatever its address.
    assert frame.raw.gain_bits == (CODINGS["epix10ka"] if kind == 112 else None)


def test_epix_100a_of_the_usual_size_has_the_pixels_of_psanas_sensor(read: Read) -> None:
    """704 x 768 pixels, which EPIX100:V1 of a geometry places."""
    pixels = NOISE.integers(0, 2**14, (704, 768)).astype(np.uint16)
    config = panels.epix_config(84, 2, 32, pixels.shape, panels.EPIX_100A)
    scan, frame = read(panels.epix(pixels, 2, 6, panels.EPIX_100A), config)
    assert scan.dataset == "MfxEndstation.0:Epix100a.0"
    geometry = read_objects("IP 0 EPIX100:V1 0 0 0 100000 0 0 0 0 0 0\n")
    expected, _ = geometry.assemble(pixels)
    assert assembled(frame, geometry).data.tolist() == expected.tolist()


@pytest.mark.parametrize("count", [4, 16])
@pytest.mark.parametrize("version", [1, 2])
def test_epix_10ka_of_several_panels(count: int, version: int, read: Read) -> None:
    """A stack in the order of the data, each pixel with its gain bit as recorded."""
    stack = NOISE.integers(0, 2**15, (count, 352, 384)).astype(np.uint16)
    scan, frame = read(panels.epix_10ka(stack), panels.epix_10ka_config(count, version))
    assert scan.shape == (1, count, 352, 384)
    assert np.array_equal(frame.data, stack)
    assert frame.info["modules"] == tuple(range(count))
    assert frame.raw is not None
    assert frame.raw.gain_bits == CODINGS["epix10ka"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("config_version", [1, 2, 3, 4])
def test_jungfrau(version: int, config_version: int, read: Read) -> None:
    """A stack of the modules behind their header, each pixel with its gain bits as recorded."""
    stack = NOISE.integers(0, 2**16, (3, 4, 6)).astype(np.uint16)
    config = panels.jungfrau_config(stack.shape, config_version)
    scan, frame = read(panels.jungfrau(stack, version), config)
    assert (scan.dataset, scan.shape) == ("CxiDs1.0:Jungfrau.0", (1, 3, 4, 6))
    assert frame.data.tolist() == stack.tolist()
    assert frame.info["modules"] == (0, 1, 2)
    assert frame.raw is not None
    assert frame.raw.gain_bits == CODINGS["jungfrau"]
    frame.data[:] = 0  # memory of its own


@pytest.mark.parametrize(
    ("data", "configuration"),
    [
        (panels.epix(SMALL, 2, 6, cut=4), panels.epix_config(84, 2, 32, SMALL.shape, panels.EPIX)),
        (panels.epix(SMALL, 2, 8), panels.epix_config(84, 2, 32, SMALL.shape, panels.EPIX)),
        (panels.epix(SMALL, 1, 2), panels.old_epix_config(74, 21, (12, 18), 2)),
        (panels.epix(SMALL, 1, 2), panels.old_epix_config(74, 21, (-16, 16), 20)),
        (panels.jungfrau(SMALL[None], cut=4), panels.jungfrau_config((1, *SMALL.shape))),
        (panels.jungfrau(SMALL[None], 1), panels.jungfrau_config((2, *SMALL.shape))),
        (panels.jungfrau(SMALL[None], 1), panels.jungfrau_config((0, *SMALL.shape))),
        (
            panels.epix_10ka(np.zeros((4, 352, 384), np.uint16), cut=4),
            panels.epix_10ka_config(4),
        ),
        (panels.epix_10ka(np.zeros((4, 352, 384), np.uint16)), panels.epix_10ka_config(16)),
    ],
)
def test_data_of_another_size_than_configured(
    data: bytes, configuration: bytes, read: Read
) -> None:
    """No pixels are read where they may not be."""
    with pytest.raises(SourceError, match=r"in a payload of|cannot be"):
        read(data, configuration)


@pytest.mark.parametrize(
    ("data", "configuration", "message"),
    [
        (panels.epix(SMALL, 2, 6), b"", "ePix cannot be decoded without its configuration"),
        (panels.jungfrau(SMALL[None]), b"", "Jungfrau cannot be decoded without its config"),
        (
            panels.jungfrau(SMALL[None]),
            panels.jungfrau_config((1, 12, 16), 9),
            "107 version 9",
        ),
        (
            panels.epix(SMALL, 2, 6),
            panels.epix_config(84, 7, 32, SMALL.shape, panels.EPIX),
            "type 84 version 7",
        ),
        (
            panels.jungfrau(SMALL[None], source=panels.JUNGFRAU_SEGMENT),
            panels.jungfrau_config((1, 12, 16), source=panels.JUNGFRAU_SEGMENT),
            r"JungfrauSegment.* is some modules of a Jungfrau",
        ),
    ],
)
def test_what_cannot_be_decoded(
    data: bytes, configuration: bytes, message: str, read: Read
) -> None:
    """It is refused with the reason, whatever could be guessed."""
    with pytest.raises(SourceError, match=message):
        read(data, configuration)
