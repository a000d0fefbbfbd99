"""Events that a function in the user's own Python file reads, one per data file."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..event import file_digest
from .fields import as_center
from .pids import as_pid, numbered_scan
from .reader import Frame, PidDatasets, Scan, refuse_names

# A script that ends with sys.exit() must not end the campaign with it.
_FAULTS = (Exception, SystemExit)

# The names of frame and mask: of Pattern, of SPRING's Pattern and npz files, of Event.
_NAMES = (("raw", "excluded"), ("pattern", "mask"), ("data", "mask"))


class UserFileReader:
    """``/absolute/my_loader.py:load_data``: a function of a file name.

    It returns a `Pattern`, SPRING's ``Pattern``, a mapping with the keys ``pattern``, ``mask``,
    ``center`` and ``pid``, or an `Event`; everything but the frame may be None or left out.
    Only the function knows the pid, so a scan calls it once for every file.
    """

    needs_file = True

    def __init__(self, text: str) -> None:
        self._text = text
        self._function: Callable[[str], Any] | None = None

    def sniff(self, path: str) -> bool:
        """Never: such a reader must be named."""
        return False

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """The pid and the shape of what the function returns.

        Raises
        ------
        SourceError
            If the function fails, or returns something without a frame.
        """
        refuse_names("user-read", dataset, pid)
        result = self._call(source)
        frame = self._frame(source, result)
        own = _get(result, "pid")
        shape, dtype = frame.data.shape, str(frame.data.dtype)
        return numbered_scan("", () if own is None else as_pid(own), shape, dtype)

    def open(self, source: str) -> UserFileHandle:
        """The file, read when its event is asked for."""
        return UserFileHandle(lambda: self._frame(source, self._call(source)))

    def _call(self, path: str) -> Any:
        if self._function is None:
            self._function = _load_function(self._text)
        try:
            return self._function(path)
        except _FAULTS as fault:
            raise SourceError(
                f"{path}: {self._text} raised {type(fault).__name__}: {fault}"
            ) from fault

    def _frame(self, path: str, result: Any) -> Frame:
        for data_name, mask_name in _NAMES:
            data = _get(result, data_name)
            if data is not None and not isinstance(result, np.ndarray):
                return _make_frame(np.asarray(data), _get(result, mask_name), result)
        raise SourceError(
            f"{path}: {self._text} returned {type(result).__name__} without a frame; it must "
            "return a Pattern, or a mapping with the key 'pattern'"
        )


class UserFileHandle:
    """A data file that the user's function will read."""

    def __init__(self, load: Callable[[], Frame]) -> None:
        self._load = load

    def event(self, dataset: str, row: int) -> Frame:
        """What the function returns."""
        return self._load()

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """Raises `SourceError`: there are no datasets."""
        raise SourceError(f"files read by a function have no dataset {dataset!r}; name a file")

    def close(self) -> None:
        """Nothing is open."""


def names_user_file(reader: str) -> bool:
    """Whether a reader's name is ``FILE.py:FUNCTION``."""
    return re.search(r"\.py:\w+$", reader) is not None


def loader_digest(reader: str) -> str:
    """128-bit BLAKE2b of the Python file of a reader; empty for a reader that is none.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    return file_digest(reader.rpartition(":")[0]) if names_user_file(reader) else ""


def _load_function(text: str) -> Callable[[str], Any]:
    path, _, name = text.rpartition(":")
    if not Path(path).is_file():
        raise SourceError(f"reader {text}: no file {path}")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise SourceError(f"reader {text}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except _FAULTS as fault:
        raise SourceError(f"reader {text}: {type(fault).__name__}: {fault}") from fault
    function = getattr(module, name, None)
    if not callable(function):
        raise SourceError(f"reader {text}: no function {name!r} in {path}")
    return function  # type: ignore[no-any-return]


def _get(result: Any, name: str) -> Any:
    return result.get(name) if isinstance(result, Mapping) else getattr(result, name, None)


def _make_frame(data: NDArray[Any], mask: Any, result: Any) -> Frame:
    center = _get(result, "center")
    return Frame(
        data=data,
        mask=None if mask is None else np.asarray(mask) != 0,
        center=None if center is None else as_center(center),
        info=_get(result, "info") or {},
    )
