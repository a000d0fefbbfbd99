"""The kernels in C: built at installation, chosen for this processor, called with checked arrays.

One object per instruction set stands beside this file where a compiler was; see
``docs/howto/cpu.md``.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import POINTER, c_double, c_float, c_int, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path

from ...errors import LaunchError

VARIABLE = "SPRING_NATIVE"
INSTRUCTION_SETS = ("avx512", "avx2", "generic")
"""Best first."""
NONE = "none"
_HERE = Path(__file__).parent
_SIGNATURES = {
    "grid_new": (c_void_p, [c_int, c_void_p, c_void_p, c_int]),
    "grid_free": (None, [c_void_p]),
    "room_new": (c_void_p, [c_void_p]),
    "room_free": (None, [c_void_p]),
    "iterate": (None, [*[c_void_p] * 6, c_int, c_float, c_float, c_int, c_int]),
    "compare": (None, [c_void_p, c_void_p, c_int, c_void_p, POINTER(c_double)]),
    "shrinkwrap": (
        None,
        [c_void_p, c_void_p, c_int, *[c_void_p] * 4, c_double, c_float, *[c_int64] * 3],
    ),
    "spectrum": (None, [c_void_p, c_void_p, c_int, c_void_p, c_void_p]),
    "correlate": (
        None,
        [c_void_p, c_void_p, c_int, c_void_p, c_void_p, POINTER(c_double), POINTER(c_int64)],
    ),
    "crossover": (
        None,
        [
            c_int64, c_int, c_int, POINTER(c_void_p), POINTER(c_void_p), c_void_p, c_void_p,
            c_float, c_float, c_uint64, POINTER(c_uint32),
        ],
    ),
}  # fmt: skip


def load(
    environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> ctypes.CDLL | None:
    """The object for the best instruction set of this processor; None where none was built.

    ``SPRING_NATIVE`` forces one, or ``none``.

    Raises
    ------
    LaunchError
        If the one that ``SPRING_NATIVE`` asks for is unknown, was not built, or cannot run here;
        if the object is that of an earlier version.
    """
    wanted = environment.get(VARIABLE) or None
    if wanted == NONE:
        return None
    folder = folder or _HERE
    usable = _usable(folder)
    if wanted is not None and wanted not in usable:
        names = ", ".join([*usable, NONE])
        raise LaunchError(f"{VARIABLE}={wanted} cannot be had here; what can: {names}")
    if not usable:
        return None
    return _declared(ctypes.CDLL(str(_object(folder, wanted or usable[0]))))


def _usable(folder: Path) -> list[str]:
    """The instruction sets that were built and that this processor has, best first."""
    if not _object(folder, "generic").exists():
        return []
    processor = ctypes.CDLL(str(_object(folder, "generic")))
    has = {"avx512": processor.has_avx512(), "avx2": processor.has_avx2(), "generic": True}
    return [name for name in INSTRUCTION_SETS if has[name] and _object(folder, name).exists()]


def _object(folder: Path, instruction_set: str) -> Path:
    return folder / f"kernels_{instruction_set}.so"


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, its functions told what they take, since ctypes would cut addresses short."""
    for name, (result, arguments) in _SIGNATURES.items():
        # Sources may be newer than what was built of them, where the package lies among them.
        function = getattr(library, name, None)
        if function is None:
            raise LaunchError(f"{library._name} has no {name}: it is outdated, install again")
        function.restype, function.argtypes = result, arguments
    return library
