"""Memory that is given again: never while anything refers to it, and only as much as was said."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.events import Loader, build_index
from spring_mpi.events.reading.memory import Memory

SHAPES = [(128, 512), (256, 512), (2, 256, 128), (8, 8), (0, 5)]
TYPES = [np.dtype(name) for name in ("u1", "u2", "f4", "f8")]
VIEWS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "itself": lambda array: array,
    "a part": lambda array: array[1:, ::2],
    "a transposed part": lambda array: array[2:].T,
    "other numbers": lambda array: array.view(np.uint8),
    "strides": lambda array: np.lib.stride_tricks.as_strided(array, (2,), (8,)),
    "a subclass": lambda array: array.view(np.recarray),
    "a buffer": cast(Any, memoryview),
    "a masked array": np.ma.asarray,
    "of C": np.ctypeslib.as_ctypes,
}


def address(array: NDArray[Any]) -> int:
    return array.ctypes.data


@given(data=st.data())
def test_arrays_are_apart_as_long_as_they_are_held(data: st.DataObject) -> None:
    """Under any order of taking and dropping, each keeps the values that were written to it."""
    memory, held, number = (
        Memory(data.draw(st.sampled_from([0, 2**17, 2**20]))),
        dict[int, Any](),
        0,
    )
    for is_new in data.draw(st.lists(st.booleans(), max_size=20)):
        if is_new or not held:
            shape, dtype = data.draw(st.sampled_from(SHAPES)), data.draw(st.sampled_from(TYPES))
            held[number] = memory.empty(shape, dtype)
            assert (held[number].shape, held[number].dtype) == (shape, dtype)
            held[number][...] = number
            number += 1
        else:
            del held[data.draw(st.sampled_from(sorted(held)))]
        assert all((array == value).all() for value, array in held.items())


@pytest.mark.parametrize("kind", VIEWS)
def test_views_hold_the_memory(kind: str) -> None:
    memory, dtype, shape = Memory(2**20), np.dtype("u2"), (128, 256)
    array = memory.empty(shape, dtype)
    place, view = address(array), VIEWS[kind](array)
    del array
    assert address(memory.empty(shape, dtype)) != place
    del view
    others = [memory.empty(shape, dtype) for _ in range(2)]
    assert place in map(address, others)


def test_only_so_much_is_kept() -> None:
    """Of ten arrays that are gone, the memory of the three that fit; of another size, none."""
    memory, dtype = Memory(3 * 2**16 + 1), np.dtype("u1")
    arrays = [memory.empty((2**16,), dtype) for _ in range(10)]
    del arrays
    assert len(memory._pools[0].free) == 3


def test_sizes_in_turn() -> None:
    """Each of three sizes has its memory again; the one that was longest unused is forgotten."""
    memory, dtype = Memory(2**22), np.dtype("u1")
    sizes = [2**16, 2**16 + 1, 2**17]
    first = [address(memory.empty((size,), dtype)) for size in sizes]
    assert [address(memory.empty((size,), dtype)) for size in sizes] == first
    for size in range(2**18, 2**18 + 9):
        memory.empty((size,), dtype)
    assert len(memory._pools) == 3


def test_what_is_kept_goes_with_the_memory() -> None:
    """Who holds one array for long holds only that."""
    memory = Memory(2**22)
    arrays = [memory.empty((2**16,), np.dtype("u1")) for _ in range(8)]
    arrays[0][...] = 7
    pool = weakref.ref(memory._pools[0])
    del arrays[1:], memory
    assert pool() is None
    assert (arrays[0] == 7).all()


def test_arrays_of_any_size_are_aligned() -> None:
    memory = Memory(2**22)
    arrays = [memory.empty((255, 33), np.dtype("f8")) for _ in range(20)]
    arrays += [memory.empty((2**16 + 3,), np.dtype("u1")) for _ in range(20)]
    assert all(address(array) % 16 == 0 for array in arrays)


def test_few_arrays_take_no_more_than_they_need() -> None:
    """What is asked for at once grows with what there is already."""
    memory, left = Memory(2**20), list[int]()
    arrays = []
    for _ in range(9):
        arrays.append(memory.empty((2**16,), np.dtype("u1")))
        left.append(len(memory._pools[0].free))
    assert left == [0, 0, 1, 0, 3, 2, 1, 0, 7]


def test_threads_share_it() -> None:
    """Arrays taken and dropped in several threads at once are never the same."""
    memory, dtype = Memory(2**22), np.dtype("i8")

    def filled(number: int) -> bool:
        arrays = [memory.empty((1 + number % 2, 2**13), dtype) for _ in range(9)]
        for array in arrays:
            array[...] = number
        return all((array == number).all() for array in arrays)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(filled, range(400)))


def test_events_that_are_kept(tmp_path: Path) -> None:
    """Of a run that is read in many windows, parts of some frames; the others' memory is used."""
    frames = np.random.default_rng(1).integers(0, 1000, (40, 128, 256)).astype("u2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = frames
    index = build_index(tmp_path / "a.h5", dataset="/data")
    refs, places = [index.ref(row) for row in range(40)], set[int]()
    kept: list[NDArray[Any]] = []
    with Loader() as loads:
        for row, event in enumerate(loads.read_many(refs, window=4 * frames[0].nbytes)):
            places.add(address(event.data))
            if row % 5 == 0:
                kept.append(event.data[1::2])
    assert np.array_equal(kept, frames[::5, 1::2])
    assert len(places) < 30
