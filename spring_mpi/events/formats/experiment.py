"""Source strings, ``exp=cxib7913:run=34:idx``: what they say of an experiment and its runs.

Keys as in LCLS's psana, joined by ``:``; files lie in ``<data root>/CXI/cxib7913/xtc``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import SourceError

_VALUES = ("exp", "run", "stream", "dir")
MODES = ("idx", "smd", "rax", "xtc")
"""psana's ways of access, which a source may name; here all events can be read in any order."""

FIRST_IOC = 80
"""The first stream of LCLS-I that is of an IOC recorder."""


@dataclass(frozen=True)
class Experiment:
    """Which files a source string stands for."""

    text: str
    name: str
    """As in names of folders, ``cxib7913``; or ``e665``, the number in names of files."""
    instrument: str
    """Upper case; empty where the name tells none."""
    runs: tuple[range, ...]
    streams: tuple[range, ...]
    """Empty: all."""
    folder: str
    """That of the files; empty: found under the data root."""

    def folder_under(self, root: str) -> str:
        """The folder of the files, by the data root.

        Raises
        ------
        SourceError
            If the experiment is a number alone, whose folder only LCLS's database knows.
        """
        if self.folder:
            return os.path.abspath(os.path.join(root, self.folder))
        if not self.instrument:
            raise SourceError(
                f"{self.text}: write the experiment's name, as in exp=cxib7913, or its folder (dir)"
            )
        return os.path.abspath(os.path.join(root, self.instrument, self.name, "xtc"))

    def takes(self, prefix: str, run: int, stream: int) -> bool:
        """Whether files of that run and stream are meant; ``prefix`` begins their names."""
        prefixes = re.escape(self.name) + ("" if _is_number(self.name) else r"|e\d+")
        return (
            bool(re.fullmatch(prefixes, prefix, re.IGNORECASE))
            and any(run in numbers for numbers in self.runs)
            and self.takes_stream(stream)
        )

    def takes_stream(self, stream: int) -> bool:
        """Whether the stream is asked for; all are where none is named."""
        return not self.streams or any(stream in numbers for numbers in self.streams)


def names_experiment(text: str) -> bool:
    """Whether a source is a source string, not a file."""
    return re.match(r"(\w+(=[^:]*)?:)*exp=", text) is not None


def with_folder(text: str, absolute: Callable[[str], str]) -> str:
    """The same source string, the path behind its ``dir=`` made absolute."""
    return re.sub(r"(^|:)dir=([^:]+)", lambda found: f"{found[1]}dir={absolute(found[2])}", text)


def located(text: str, absolute: Callable[[str], str]) -> str:
    """The source of a reader that needs no file, its path made absolute: a folder, or ``dir=``.

    ``key=value`` is no path; write ``./key=value`` for a folder of that name.
    """
    is_path = not (names_experiment(text) or re.match(r"\w+=", text))
    return absolute(text) if is_path else with_folder(text, absolute)


def parse_experiment(text: str) -> Experiment:
    """What a source string says; of a key that comes twice, the last.

    Raises
    ------
    SourceError
        For an unknown key, a value that cannot be, or no experiment or run.
    """
    values = dict(_key_and_value(part, text) for part in text.split(":"))
    for key in ("exp", "run"):
        if not values.get(key):
            raise SourceError(f"{text}: {key}= is missing; write exp=cxib7913:run=34")
    instrument, _, name = values["exp"].rpartition("/")
    if not re.fullmatch(r"\w+", name) or not re.fullmatch(r"\w*", instrument):
        raise SourceError(
            f"{text}: exp={values['exp']} is no name such as cxib7913 or CXI/cxib7913"
        )
    if name.isdigit():
        name = f"e{name}"
    if not instrument and not _is_number(name):
        instrument = name[:3]
    return Experiment(
        text=text,
        name=name,
        instrument=instrument.upper(),
        runs=_ranges("run", values["run"], text),
        streams=_ranges("stream", values["stream"], text) if "stream" in values else (),
        folder=values.get("dir", ""),
    )


def _key_and_value(part: str, text: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if key in MODES and not equals:
        return key, ""
    if key not in _VALUES:
        near = difflib.get_close_matches(key, (*_VALUES, *MODES), n=1)
        known = f"{', '.join(f'{key}=' for key in _VALUES)}, {', '.join(MODES)}"
        hint = f"did you mean {near[0]!r}?" if near and near[0] != key else f"known: {known}"
        raise SourceError(f"{text}: unknown key {part!r}; {hint}")
    if not value:
        raise SourceError(f"{text}: {key}= needs a value")
    return key, value


def _ranges(key: str, value: str, text: str) -> tuple[range, ...]:
    """Numbers and ranges ``1,2,5-7``, their ends included."""
    ranges = []
    for part in value.split(","):
        found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise SourceError(f"{text}: {key}={value} must be numbers such as 1,2,5-7")
        ranges.append(range(int(found[1]), int(found[2] or found[1]) + 1))
    return tuple(ranges)


def _is_number(name: str) -> bool:
    """Whether an experiment is named by its number."""
    return re.fullmatch(r"e\d+", name) is not None
