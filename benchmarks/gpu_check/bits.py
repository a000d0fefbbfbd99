"""Where equal jobs must give equal bits on a GPU: again, packed, short of memory, restarted."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from device import gpu_backend, partial, pattern, settings_for, small_job

from spring_mpi.engine.backends.gpu.cupy import make_cupy_backend
from spring_mpi.engine.mpr import Case, reconstruct, reconstruct_together

Check = tuple[str, Callable[[], Any]]
_MANY_PIXELS = (132, 4096)
"""Images, and their side: more than 2^31 pixels."""


def step_bits(arguments: argparse.Namespace) -> dict[str, Any]:
    """All checks; what one found is True where it holds."""
    found: dict[str, Any] = {}
    for name, check in _checks(arguments.fake):
        try:
            found[name] = check()
        except Exception as fault:
            traceback.print_exc()
            found[name] = f"{type(fault).__name__}: {fault}"[:300]
        print(f"{name}: {found[name]}", flush=True)
        partial({"findings": found})
    failed = [name for name, value in found.items() if not _holds(value)]
    return {
        "findings": found, "failed": failed or None,
        "told": f"{len(found) - len(failed)} of {len(found)} hold",
        "cufft_depends_on_batch": [
            name for name, value in found.items()
            if isinstance(value, dict) and len(value.get("equal bits", ())) > 1
        ],
    }  # fmt: skip


def _holds(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is True or value == "not enough memory"
    if "equal bits" in value:
        return True  # cuFFT's own business; what it does to jobs is seen elsewhere
    if "equal" in value:
        return all(value["equal"])
    return all(part is True for part in value.values())


def _checks(fake: bool) -> Iterator[Check]:
    for size in (64,) if fake else (64, 100, 128, 256, 512, 1024):
        for kind in ("R2C", "C2R", "C2C"):
            yield f"cuFFT {kind} {size}, batch sizes", Batches(size, kind, fake)
    for two_pass in (False, True):
        for constraint in ("positive", "complex"):
            jobs = Jobs(two_pass, constraint, fake)
            name = f"{'two-pass' if two_pass else 'cufft'} {constraint}"
            yield f"{name}: the same job twice", jobs.twice
            yield f"{name}: with and without graphs", jobs.without_graphs
            yield f"{name}: alone and packed", jobs.packed
            yield f"{name}: where memory is short", jobs.short_of_memory
            yield f"{name}: from a checkpoint", jobs.restarted
    if not fake:
        yield "R2C of unaligned images", unaligned
        yield "more than 2^31 pixels", many_pixels
    # Last, because it changes the current stream.
    yield "two backends in one process, in turns", lambda: in_turns(Jobs(False, "positive", fake))


class Batches:
    """How transforms of the same images differ by how many there are at once."""

    def __init__(self, size: int, kind: str, fake: bool) -> None:
        self._size, self._kind = size, kind
        most = 4 if fake else max(8, min(128, 2**23 // size**2))
        self._counts = [n for n in (1, 2, 3, 4, 6, 8, 16, 24, 32, 64, 128) if n <= most]
        random = np.random.default_rng(size)
        self._images = random.normal(size=(most, size, size)).astype(np.float32)

    def __call__(self) -> dict[str, Any]:
        groups: dict[bytes, list[int]] = {}
        firsts = [self._first(count) for count in self._counts]
        for count, first in zip(self._counts, firsts, strict=True):
            groups.setdefault(first.tobytes(), []).append(count)
        machine().release()
        strongest = np.abs(firsts[-1]).max()
        largest = max(float(np.abs(first - firsts[-1]).max() / strongest) for first in firsts)
        return {"equal bits": list(groups.values()), "largest relative difference": largest}

    def _first(self, count: int) -> Any:
        """The transform of the first image among so many."""
        xp, size, images = machine().xp, self._size, self._images[:count]
        if self._kind == "R2C":
            target = xp.empty((count, size, size // 2 + 1), np.complex64)
            machine().forward(xp.asarray(images), target)
        elif self._kind == "C2R":
            target = xp.empty((count, size, size), np.float32)
            machine().backward(xp.array(np.fft.rfft2(images).astype(np.complex64)), target)
        else:
            target = xp.empty((count, size, size), np.complex64)
            machine().forward(xp.asarray(images.astype(np.complex64)), target)
        return machine().host(target)[0]


class Jobs:
    """Small jobs of one kind, on one backend."""

    def __init__(self, two_pass: bool, constraint: str, fake: bool) -> None:
        self._two_pass, self._is_complex, self._fake = two_pass, constraint == "complex", fake
        self._shape = (64, 4, 3) if fake else (128, 16, 5)
        self._more = {"object__constraint": constraint} | ({"IA__it": 4} if fake else {})

    @property
    def is_fake(self) -> bool:
        return self._fake

    def run(self, backend: Any, **more: Any) -> Any:
        return small_job(backend, *self._shape, **(self._more | more))

    def twice(self) -> bool:
        backend = gpu_backend(self._two_pass)
        return same(self.run(backend), self.run(backend))

    def without_graphs(self) -> bool:
        backend = gpu_backend(self._two_pass)
        with_graphs = self.run(backend)
        machine().replay = lambda key, block: block()
        try:
            return same(with_graphs, self.run(backend))
        finally:
            del machine().replay

    def packed(self) -> dict[str, Any]:
        backend, (size, *_) = gpu_backend(self._two_pass), self._shape
        cases = [
            Case(pattern(size, seed, is_complex=self._is_complex), name=f"job {seed}")
            for seed in range(1, 3 if self._fake else 9)
        ]
        settings = settings_for(*self._shape, **self._more)
        alone = [
            reconstruct(case.pattern, settings, backend=backend, name=case.name) for case in cases
        ]
        together = reconstruct_together(cases, settings, backend=backend)
        pairs: list[Any] = list(zip(alone, together, strict=True))
        largest = max(
            float(np.abs(lone.data - shared.data).max() / np.abs(lone.data).max())
            for lone, shared in pairs
        )
        return {"equal": [same(*pair) for pair in pairs], "largest relative difference": largest}

    def short_of_memory(self) -> dict[int, bool]:
        """Half of the individuals at once, two, and one."""
        whole = self.run(gpu_backend(self._two_pass))
        found = {}
        for batch in (self._shape[1] // 2, 2, 1):
            found[batch] = same(whole, self.run(Limited(gpu_backend(self._two_pass), batch)))
        return found

    def restarted(self) -> bool:
        kept = Kept()
        settings = settings_for(*self._shape, **self._more)
        made = pattern(self._shape[0], is_complex=self._is_complex)
        whole = reconstruct(made, settings, backend=gpu_backend(self._two_pass), checkpoints=kept)
        kept.gives = True
        rest = reconstruct(made, settings, backend=gpu_backend(self._two_pass), checkpoints=kept)
        return same(whole, rest) and kept.given


class Limited:
    """A backend whose memory holds the transforms of so many individuals."""

    def __init__(self, backend: Any, batch: int) -> None:
        self._backend, self._batch = backend, batch

    def load(self, *arguments: Any) -> None:
        self._backend.load(*arguments)
        self._backend._workspace._batch = self._batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class Kept:
    """A checkpoint in memory, of the second generation."""

    every = 2

    def __init__(self) -> None:
        self._arrays: Any = None
        self.gives = self.given = False

    def load(self, restore: Callable[[Any], Any]) -> Any:
        if not self.gives:
            return None
        self.given = True
        return restore(self._arrays)

    def save(self, arrays: Any) -> None:
        if self._arrays is None:
            self._arrays = {name: np.array(array) for name, array in arrays.items()}

    def offer_last(self, arrays: Callable[[], Any]) -> None:
        return None


def machine() -> Any:
    """The one machine of this process."""
    return gpu_backend()._machine


def same(first: Any, second: Any) -> bool:
    """Whether two results have equal bits."""
    names = ("data", "error_history", "support")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def unaligned() -> bool | float:
    """Real images of odd size that do not start at a multiple of 8 bytes."""
    xp = machine().xp
    images = np.random.default_rng(1).normal(size=(3, 21, 21)).astype(np.float32)
    target = xp.empty((1, 21, 11), np.complex64)
    machine().forward(xp.asarray(images)[1:2], target)
    error = float(np.abs(machine().host(target)[0] - np.fft.rfft2(images[1])).max())
    return error < 1e-3 or error


def many_pixels() -> Any:
    """More than 2^31 pixels in one plan."""
    xp, (count, size) = machine().xp, _MANY_PIXELS
    free, _ = xp.cuda.runtime.memGetInfo()
    if free < 50e9:
        return "not enough memory"
    image = xp.asarray(np.random.default_rng(1).normal(size=(size, size)).astype(np.float32))
    images = xp.zeros((count, size, size), np.float32)
    spectra = xp.empty((count, size, size // 2 + 1), np.complex64)
    images[0] = images[-1] = image
    machine().forward(images, spectra)
    alike = bool((spectra[0] == spectra[-1]).all())
    machine().backward(spectra, images)
    error = float(abs(images[-1] / size**2 - image).max())
    machine().release()
    return (alike and error < 1e-4) or {"alike": alike, "error": error}


def in_turns(jobs: Jobs) -> Any:
    """Two backends in one process; a benchmark has four."""
    first = make_cupy_backend(0, print)
    before = jobs.run(first, IA__it=8, global__generations=8)
    make_cupy_backend(0, print)
    after = jobs.run(first, IA__it=8, global__generations=8)
    graphs = [graph for graph in first._machine._graphs.values() if graph]
    empty = sum(_is_empty(graph, jobs.is_fake) for graph in graphs)
    alike = same(before, after)
    return (alike and not empty) or {
        "same": alike, "empty graphs": f"{empty} of {len(graphs)}"
    }  # fmt: skip


def _is_empty(graph: Any, fake: bool) -> bool:
    return not graph._actions if fake else "_node_" not in graph.debug_dot_str()
