"""The readers that there are, in the order in which the format of a file is guessed."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import cast

from ...errors import SourceError
from .plugins import load_plugin, plugin_names
from .reader import BuiltInReader, Facts, Reader
from .user_file import UserFileReader, names_user_file

# Module and class of each reader, in the order of guessing: whose files are known by names of their
# own come before those of any HDF5 file. Adapters, which need a package of the facility, are last.
_READERS = {
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
    "simulate": "simulated.reader:SimulateReader",
    "extra_data": "adapters.extra_data:ExtraDataReader",
    "psana": "adapters.psana:PsanaReader",
}
BUILT_IN = tuple(_READERS)
"""Names of the readers that are here."""


def find_reader(name: str) -> Reader:
    """The reader of that name, of this package or another one, or that for ``FILE.py:FUNCTION``.

    Raises
    ------
    SourceError
        If there is none.
    """
    if names_user_file(name):
        return UserFileReader(name)
    return _built_in(name) if name in _READERS else _plugin(name)


def facts_of(name: str) -> Facts:
    """What is special about a reader's format; the defaults where it is not one of those here."""
    return _built_in(name).facts if name in _READERS else Facts()


def takes_texts(name: object) -> bool:
    """Whether it is a reader of those here whose sources are texts; see `experiment.located`."""
    return name in _READERS and not _built_in(str(name)).needs_file


def reader_names() -> tuple[str, ...]:
    """Of the readers that are here, and of those that other packages bring."""
    return tuple(dict.fromkeys((*_READERS, *plugin_names())))


def _built_in(name: str) -> BuiltInReader:
    module, kind = _READERS[name].split(":")
    found = importlib.import_module(f".{module}", __package__)
    return cast(BuiltInReader, getattr(found, kind)())


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
        for name in _READERS:
            reader = _built_in(name)
            if reader.needs_file and reader.sniff(path):
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
    texts = filter(takes_texts, _READERS)
    return next((name for name in texts if _built_in(name).sniff(text)), None)


def _known() -> str:
    return ", ".join((*reader_names(), "FILE.py:FUNCTION"))
