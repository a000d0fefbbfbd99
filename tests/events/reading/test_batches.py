"""Many events read together are what each of them is alone, faults included, in bounded memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from helpers.formats import xtc
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.flash import write_old
from helpers.formats.nexus import write_master
from helpers.formats.swissfel import write_jungfrau
from helpers.formats.xtc2 import Stream
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import PatternError, SourceError
from spring_mpi.events import EventIndex, Loader, build_index
from spring_mpi.events.event import Source
from spring_mpi.events.formats import reader
from spring_mpi.events.formats.hdf5.chunks import decoder
from spring_mpi.events.formats.hdf5.rows import row_reader
from spring_mpi.events.reading import loader

COUNT, SHAPE = 9, (8, 16)
FRAMES = np.arange(COUNT * 128, dtype=np.uint16).reshape(COUNT, *SHAPE) % 997
LZ4 = dict(hdf5plugin.Bitshuffle(cname="lz4"))
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "whole rows in chunks": {"chunks": (4, *SHAPE)},
    "split rows": {"chunks": (2, 4, 16), "compression": "gzip"},
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip"},
    "shuffle": {"chunks": (4, *SHAPE), "compression": "gzip", "shuffle": True},
    "LZ4": {"chunks": (1, *SHAPE), **LZ4},
    "LZ4 of many": {"chunks": (4, *SHAPE), **LZ4},
}


def hdf5(path: Path, **options: Any) -> EventIndex:
    """All frames in one file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=FRAMES, **options)
    return build_index(path, dataset="/data")


def damaged(path: Path, **options: Any) -> EventIndex:
    """The stored bytes of one chunk, of several rows or a single one, are overwritten."""
    index = hdf5(path, **options)
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(1)
    with open(path, "rb+") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    return replace(index, sources=(Source(str(path), "hdf5"),))


def cxi(path: Path, mask: NDArray[Any]) -> EventIndex:
    with h5py.File(path, "w") as file:
        file.create_dataset("entry_1/data_1/data", data=FRAMES, chunks=(2, *SHAPE), **LZ4)
        file["entry_1/data_1/mask"] = mask
    return build_index(path)


def euxfel(folder: Path, *, raw: bool) -> EventIndex:
    """Two modules; the second one misses a train, and corrected data have masks."""
    pulses = [0, 1, 2] * 3
    for module, trains in ((3, (7, 8, 9)), (4, (7, 9, 10))):
        data = np.stack([FRAMES, FRAMES + 1], 1) if raw else FRAMES.astype("f4")
        beside = {} if raw else {"mask": np.equal(module, FRAMES % 5).astype("u4")}
        file = EuxfelFile(trains).image(MODULE.format(module), [3] * 3, data, pulses, **beside)
        kind = {"chunks": (1, *data.shape[1:])} if raw else {"compression": "gzip"}
        file.write(folder / f"RAW-R0034-AGIPD{module:02}-S00000.h5", **kind)
    return build_index(str(folder / "*.h5"))


def xtc1(path: Path) -> EventIndex:
    images = [xtc.segment(xtc.frame(frame)) for frame in FRAMES]
    path.write_bytes(xtc.encode(xtc.run(*xtc.events(COUNT, *images))))
    return build_index(path)


def xtc2(folder: Path) -> EventIndex:
    """Two streams, whose events are stacks of three segments, some lost."""
    for number, segments in enumerate(((0, 1), (2,))):
        stream = Stream(segments=segments).configure().begin()
        for time, frame in enumerate(FRAMES, start=10):
            lost = (1,) if time == 12 else ()
            stream.event(time << 32, np.stack([frame] * len(segments)), lost=lost)
        stream.write(folder / f"exp-r0034-s00{number}-c000.xtc2")
    return build_index(str(folder / "*.xtc2"))


def flash(path: Path) -> EventIndex:
    """A train without a frame, filled with NaN."""
    frames = FRAMES.astype("f4")
    frames[4] = np.nan
    return build_index(
        write_old(path, [*range(100, 100 + COUNT)], {"Camera/image": frames}), reader="flash"
    )


def npz(folder: Path) -> EventIndex:
    for number, frame in enumerate(FRAMES):
        np.savez(folder / f"{number}.npz", pattern=frame, mask=frame % 2)
    return build_index(str(folder / "*.npz"))


def npy(path: Path) -> EventIndex:
    np.save(path, FRAMES)
    return build_index(path)


def growing(path: Path) -> EventIndex:
    index = hdf5(path)
    return replace(index, sources=tuple(replace(one, grows=True) for one in index.sources))


def laid_out(options: dict[str, Any], folder: Path) -> EventIndex:
    return hdf5(folder / "a.h5", **options)


RUNS: dict[str, Callable[[Path], EventIndex]] = {
    **{name: partial(laid_out, options) for name, options in LAYOUTS.items()},
    "damaged gzip": lambda folder: damaged(folder / "a.h5", **LAYOUTS["gzip"]),
    "damaged LZ4": lambda folder: damaged(folder / "a.h5", **LAYOUTS["LZ4 of many"]),
    "growing": lambda folder: growing(folder / "a.h5"),
    "cxi": lambda folder: cxi(folder / "a.cxi", FRAMES % 3),
    "cxi with one mask": lambda folder: cxi(folder / "a.cxi", FRAMES[0] % 3),
    "euxfel raw": lambda folder: euxfel(folder, raw=True),
    "euxfel corrected": lambda folder: euxfel(folder, raw=False),
    "swissfel": lambda folder: build_index(
        write_jungfrau(folder / "a.JF06.h5", "JF06", range(5, 5 + COUNT), FRAMES, [1] * COUNT)
    ),
    "flash": lambda folder: flash(folder / "run1.h5"),
    "nexus": lambda folder: build_index(
        write_master(folder / "run_master.h5", [FRAMES[:4], FRAMES[4:]], FRAMES[0] % 2)
    ),
    "npy": lambda folder: npy(folder / "a.npy"),
    "npz": npz,
    "xtc": lambda folder: xtc1(folder / "e-r0034-s00-c00.xtc"),
    "xtc2": xtc2,
}


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EventIndex:
    """The index of one run of each format and layout."""
    return RUNS[request.param](tmp_path_factory.mktemp("run"))


def told(read: Callable[[], Any]) -> Any:
    """All that there is of an event, or of its fault."""
    try:
        event = read()
    except (SourceError, PatternError) as fault:
        return type(fault), str(fault)
    mask = None if event.mask is None else event.mask.tolist()
    info = {key: np.asarray(value).tolist() for key, value in event.info.items()}
    return event.data.dtype, event.data.tolist(), mask, event.center, info


@settings(max_examples=8)
@given(data=st.data())
def test_many_events_are_each_event(run: EventIndex, data: st.DataObject) -> None:
    """In any order, some of them twice, in windows of any size; whole events and raw frames."""
    order = data.draw(st.lists(st.integers(0, len(run) - 1), max_size=14))
    window = data.draw(st.sampled_from([1, 1000, 2**20]))
    refs = [run.ref(position) for position in order]
    with Loader() as alone, Loader() as together:
        events = together.read_many(iter(refs), window=window)
        frames = together.raw_many(refs, window=window)
        for ref in refs:
            assert told(lambda: next(events)) == told(partial(alone.read, ref))
            assert told(lambda: next(frames)) == told(partial(alone.raw, ref))
        assert next(events, None) is next(frames, None) is None


def test_events_are_apart(run: EventIndex) -> None:
    """What is done to one event is done to no other, not even to the same one read twice."""
    refs = [run.ref(position) for position in (0, 2, 0, 2)]
    with Loader() as loads:
        frames = list(loads.raw_many(refs, window=2**20))
        expected = [loads.raw(ref).data.copy() for ref in refs]
    # The first event is read alone, the others together.
    frames[1].data[...] = 1
    for other in (0, 2, 3):
        assert np.array_equal(frames[other].data, expected[other])


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows are read together, each time."""
    sizes: list[int] = []

    def counted(handle: Any, dataset: str, rows: Sequence[int], empty: Any) -> Any:
        sizes.append(len(rows))
        return frames_of(handle, dataset, rows, empty)

    frames_of = reader.frames_of
    monkeypatch.setattr(loader, "frames_of", counted)
    return sizes


def test_windows_are_bounded(tmp_path: Path, batches: list[int]) -> None:
    """As many events as fit are read together, and none before it is needed."""
    index = hdf5(tmp_path / "a.h5")
    refs = (index.ref(position) for position in range(COUNT))
    events = Loader().read_many(refs, window=3 * FRAMES[0].nbytes + 1)
    seen = [(next(events).pid[1], len(batches)) for _ in range(COUNT)]
    assert batches == [1, 3, 3, 2]
    assert seen == [(0, 1), *((n, 2 + (n - 1) // 3) for n in range(1, COUNT))]


def test_neighbours_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of the system for a run of rows, whatever their order."""
    calls: list[int] = []

    def counted(file: int, pieces: Sequence[Any], start: int) -> int:
        calls.append(len(pieces))
        return preadv(file, pieces, start)

    preadv = os.preadv
    hdf5(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        monkeypatch.setattr(os, "preadv", counted)
        read = row_reader(file["data"]).many([5, 0, 4, 2, 3, 8])
    assert np.array_equal(read, FRAMES[[5, 0, 4, 2, 3, 8]])
    assert calls == [1, 4, 1]


def test_size_that_is_not_known_yet(tmp_path: Path, batches: list[int]) -> None:
    """A first event that cannot be read says nothing of the others' size."""
    index = damaged(tmp_path / "a.h5", **LAYOUTS["gzip"])
    refs = [index.ref(position) for position in (1, *range(2, COUNT))]
    events = Loader().read_many(refs, window=3 * FRAMES[0].nbytes + 1)
    with pytest.raises(SourceError, match="event 0-1 "):
        next(events)
    assert len(list(events)) == COUNT - 2
    assert batches == [1, 1, 3, 3]


@pytest.mark.parametrize("cores", [1, 8])
@pytest.mark.parametrize("layout", ["shuffle", "LZ4 of many"])
def test_chunks_are_decoded_once(
    layout: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of its rows are wanted, in whatever order, by one thread or several."""
    decoded: list[int] = []

    def counted(stored: bytes, values: NDArray[Any]) -> None:
        decoded.append(len(stored))
        rows.decode(stored, values)

    monkeypatch.setattr("spring_mpi.events.formats.hdf5.chunks.cores", lambda: cores)
    monkeypatch.setattr("spring_mpi.events.formats.hdf5.chunks.fewest_of", lambda size: 1)
    hdf5(tmp_path / "a.h5", **LAYOUTS[layout])
    order = np.random.default_rng(3).permutation(COUNT)
    with h5py.File(tmp_path / "a.h5") as file:
        rows: Any = row_reader(file["data"])
        read = replace(rows, decode=counted).many(order.tolist())
    assert np.array_equal(read, FRAMES[order])
    assert len(decoded) == 3


@pytest.fixture(scope="module", params=["gzip", "shuffle", "LZ4", "gzip, without ISA-L"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, bytes, NDArray[Any]]]:
    """What decodes a chunk, the chunk, and its values."""
    path = tmp_path_factory.mktemp("chunk") / "a.h5"
    layout, _, without = request.param.partition(", without ")
    hdf5(path, **LAYOUTS[layout])
    with h5py.File(path) as file, pytest.MonkeyPatch.context() as patch:
        if without:
            patch.setitem(sys.modules, "isal", None)
        dataset = file["data"]
        yield (
            decoder(dataset),
            dataset.id.read_direct_chunk((0, 0, 0))[1],
            dataset[: dataset.chunks[0]],
        )


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_chunks_are_refused_or_decoded(
    stored: tuple[Any, bytes, NDArray[Any]], data: st.DataObject
) -> None:
    """Whatever bytes are changed or lost, no memory but that of the values is touched."""
    decode, right, expected = stored
    wrong = bytearray(right[: data.draw(st.integers(0, len(right)))])
    for place in data.draw(st.lists(st.integers(0, max(len(wrong) - 1, 0)), max_size=3)):
        wrong[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
    memory = np.full((len(expected) + 2, *SHAPE), 12345, expected.dtype)
    try:
        decode(bytes(wrong), memory[1:-1])
    except ValueError:
        assert bytes(wrong) != right
    assert (memory[[0, -1]] == 12345).all()
    decode(right, memory[1:-1])
    assert np.array_equal(memory[1:-1], expected)


def test_lengths_beyond_the_chunk(tmp_path: Path) -> None:
    """The library trusts lengths of blocks, so those that lead out of the chunk never reach it."""
    hdf5(tmp_path / "a.h5", **LAYOUTS["LZ4"])
    with h5py.File(tmp_path / "a.h5") as file:
        decode, right = decoder(file["data"]), file["data"].id.read_direct_chunk((0, 0, 0))[1]
    assert decode is not None
    wrong = right[:12] + (2**31).to_bytes(4, "big") + right[16:]
    with pytest.raises(ValueError, match="do not fill it"):
        decode(wrong, np.empty((1, *SHAPE), np.uint16))
