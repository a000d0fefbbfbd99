"""The readers that there are, in the order in which the format of a file is guessed."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import cast

from ...errors import SourceError
from .plugins import load_plugin, plugin_names
from .reader import Reader
from .user_file import UserFileReader, names_user_file

# Module and class of each reader. Those of files are in the order of guessing; adapters, which need
# a package of the facility, are never guessed.
_FILE_READERS = {
    "cxi": "hdf5.cxi:CxiReader",
    "euxfel": "euxfel.reader:EuxfelReader",
    "swissfel": "hdf5.swissfel:SwissfelReader",
    "flash": "hdf5.flash:FlashReader",
    "nexus": "hdf5.nexus:NexusReader",
    "hdf5": "hdf5.plain:Hdf5Reader",
    "npy": "npy:NpyReader",
    "npz": "npz:NpzReader",
    "xtc": "lcls1.reader:XtcReader",
    "xtc2": "lcls2.reader:Xtc2Reader",
}
READERS_OF_PARTS = frozenset({"xtc", "xtc2", "euxfel"})
"""Formats that may spread an event over several files."""
_TEXT_READERS = {"simulate": "simulated.reader:SimulateReader"}
_ADAPTERS = {
    "extra_data": "adapters.extra_data:ExtraDataReader",
    "psana": "adapters.psana:PsanaReader",
}
_READERS = _FILE_READERS | _TEXT_READERS | _ADAPTERS
BUILT_IN = tuple(_READERS)
"""Names of the readers that are here."""
WITHOUT_FILE = frozenset((*_TEXT_READERS, *_ADAPTERS))
"""Those whose sources are texts or folders; see `experiment.located`."""


def find_reader(name: str) -> Reader:
    """The reader of that name, of this package or another one, or that for ``FILE.py:FUNCTION``.

    Raises
    ------
    SourceError
        If there is none.
    """
    if names_user_file(name):
        return UserFileReader(name)
    if name not in _READERS:
        return _plugin(name)
    module, kind = _READERS[name].split(":")
    found = importlib.import_module(f".{module}", __package__)
    return cast(Reader, getattr(found, kind)())


def reader_names() -> tuple[str, ...]:
    """Of the readers that are here, and of those that other packages bring."""
    return tuple(dict.fromkeys((*_READERS, *plugin_names())))


def _plugin(name: str) -> Reader:
    try:
        return load_plugin(name)
    except KeyError:
        near = difflib.get_close_matches(name, reader_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {_known()}"
        raise SourceError(f"no reader {name!r}; {hint}") from None


def guess_file_reader(path: str) -> str:
    """The name of the reader that knows the file; `SourceError` if none does."""
    try:
        for name in _FILE_READERS:
            if find_reader(name).sniff(path):
                return name
        is_empty = not os.path.getsize(path)
    except SourceError:
        raise
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}") from fault
    if is_empty:
        raise SourceError(f"{path} is empty: copy it again, or leave it out")
    raise SourceError(f"cannot tell the format of {path}; name its reader: {_known()}")


def guess_text_reader(text: str) -> str | None:
    """The name of the reader that takes the text for a source without a file, or None."""
    return next((name for name in _TEXT_READERS if find_reader(name).sniff(text)), None)


def _known() -> str:
    return ", ".join((*reader_names(), "FILE.py:FUNCTION"))
