"""The sections of a config: frozen values with their defaults, ranges and descriptions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NewType

from ..events.calibration import ArraySpec, MaskSpec, Stages
from ..events.condition import parse_condition
from ..events.formats.registry import BUILT_IN, reader_names
from ..events.gain_stages import CODINGS, NO_GAIN_BITS
from ..events.geometry import GeometrySpec
from ..names import file_name
from ..schema import option, suggest
from ..settings import Settings
from .sweep import Sweep

# A path starts at the config's folder (on the command line at the current folder), at data.root,
# or at the current folder. Once loaded all are absolute.
ConfigPath = NewType("ConfigPath", str)
DataPath = NewType("DataPath", str)
HerePath = NewType("HerePath", str)
SourceText = NewType("SourceText", str)
ReaderText = NewType("ReaderText", str)

_LOADER = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


def split_loader(reader: str) -> tuple[str, str] | None:
    """File and function of ``FILE.py:FUNCTION``; None for the name of a reader."""
    match = _LOADER.fullmatch(reader)
    return (match["file"], match["function"]) if match else None


def parse_slice(text: str) -> slice:
    """``a:b`` or ``a:b:c`` as in Python, each number optional.

    Raises
    ------
    ValueError
        If the text is no slice, or its step is zero.
    """
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise ValueError("a slice has two or three parts")
    numbers = [int(part) if part.strip() else None for part in parts]
    if numbers[2:] == [0]:
        raise ValueError("the step of a slice is not zero")
    return slice(*numbers)


def parse_part(text: str) -> slice:
    """The events of ``K/N``, one of N equal parts, counted from 1; ValueError where it is none."""
    number, of = (int(one) for one in text.split("/"))
    if not 1 <= number <= of:
        raise ValueError("a part is one of 1 to N")
    return slice(number - 1, None, of)


def legal_cropsizes(cropsize: int, size: int) -> tuple[int, int]:
    """The two multiples of ``size`` nearest to ``cropsize``."""
    lower = max(cropsize // size, 1) * size
    return lower, lower + size


def _check_name(name: str) -> str | None:
    if name == file_name(name) and name.strip("."):
        return None
    return f"may hold letters, digits and ._+=,@~- only, not {name!r}"


def _check_reader(reader: str) -> str | None:
    if reader in ("auto", *BUILT_IN) or split_loader(reader):
        return None
    known = ("auto", *reader_names())
    if reader in known:
        return None
    near = suggest(reader, known) if ".py" not in reader else ""
    hint = near if "mean" in near else ""
    return f"must be one of {', '.join(known)}, or FILE.py:FUNCTION, not {reader!r}{hint}"


def _check_device(device: str) -> str | None:
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        return None
    return f"must be auto, cpu, cuda or cuda:K, not {device!r}"


def _check_slice(text: str | None) -> str | None:
    try:
        parse_slice(text or ":")
    except ValueError:
        return f'must be "a:b" or "a:b:c", such as "0:100", not {text!r}'
    return None


def _check_where(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parse_condition(text)
    except ValueError as fault:
        return f"{fault}, in {text!r}"
    return None


def _check_center(center: ArraySpec | tuple[float, float] | None) -> str | None:
    if isinstance(center, ArraySpec) and center.value is not None:
        return "must be [row, column], a file or a dataset, not one number"
    return None


def _check_geometry(geometry: GeometrySpec | None) -> str | None:
    if geometry is None or geometry.quadrants is None or len(geometry.quadrants) == 4:
        return None
    return f"must have 4 quadrants [x, y], not {len(geometry.quadrants)}"


def _check_gain(gain: ArraySpec | Stages) -> str | None:
    if not isinstance(gain, ArraySpec):
        return None if gain and all(gain) else "must have a number other than 0 for each gain stage"
    return None if gain.value is None or gain.value > 0 else f"must be >0, not {gain.value:g}"


def _check_background(background: ArraySpec | Stages) -> str | None:
    return "must have a number for each gain stage" if background == () else None


def _check_gain_bits(kind: str | None) -> str | None:
    known = (*CODINGS, NO_GAIN_BITS)
    return None if kind in (None, *known) else f"must be one of {', '.join(known)}, not {kind!r}"


def _check_not_empty(values: tuple[object, ...] | None) -> str | None:
    return "must name at least one" if values == () else None


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the frames, their pids and their masks are."""

    root: ConfigPath = option(
        ".",
        "folder at which the paths of data, events and pattern start, also those of --set; "
        "itself from this file, that of --set data.root from the current folder",
    )
    source: tuple[SourceText, ...] = option(
        ..., "file, glob, list of them, or source string", check=_check_not_empty
    )
    reader: ReaderText = option(
        "auto",
        f"one of auto, {', '.join(BUILT_IN)}; a plug-in's name; or FILE.py:FUNCTION",
        check=_check_reader,
    )
    dataset: str | None = option(None, "dataset of the frames; null: the format's own")
    pid: tuple[str, ...] = option(
        (), "dataset, or list of datasets, that make the pid; empty: the format's own"
    )
    run: int | None = option(
        None,
        "run number of the pid; null: the file's, r0034 in its name, or 0",
        at_least=0,
        below=2**63,
    )
    mask: tuple[MaskSpec, ...] = option(
        (),
        "{file: F, dataset: P, bad: V}, with good: V or bad_bits: N instead of bad, or a list; "
        "without file: in the source; without dataset: npy, or the one array of an HDF5 file; "
        "without both, as {bad: 65535}: the raw values of the frame; any one excludes a pixel",
    )
    follow: float | None = option(
        None,
        "seconds between two looks for new events, with --serve, while the data are still being "
        "written; null: they are complete",
        above=0,
    )
    geometry: GeometrySpec | None = option(
        None,
        "file that says where the pixels of the modules are (CrystFEL, psana, EuXFEL HDF5), or "
        "{file: F, quadrants: Q, first_module: N} with Q the four [x, y] in mm and N the number "
        "of the first panel's module in the data; null: frames are images",
        check=_check_geometry,
    )
    gain_bits: str | None = option(
        None,
        f"kind of detector whose gain stage is in the bits of the raw values, one of "
        f"{', '.join(CODINGS)}, or {NO_GAIN_BITS}: there are no such bits; null: as the reader "
        "knows; background and gain are then given for each stage",
        check=_check_gain_bits,
    )
    index: HerePath | None = option(
        None, "the event index, from the current folder; null: index.h5 in the run directory"
    )


@dataclass(frozen=True)
class EventSelection:
    """Which events; all of them where nothing is set, else exactly one is."""

    slice: str | None = option(None, 'positions in the index, "a:b" or "a:b:c"', check=_check_slice)
    pids: tuple[tuple[int, ...], ...] | None = option(
        None, "list of pids, each 71-1-145, [71, 1, 145] or one integer", check=_check_not_empty
    )
    list: DataPath | None = option(None, "file with one pid on each line")
    where: str | None = option(
        None, 'condition, "sum > 1e5 and not damaged"; see spring-index stats', check=_check_where
    )


@dataclass(frozen=True, kw_only=True)
class PatternSection:
    """How a frame becomes a pattern."""

    center: ArraySpec | tuple[float, float] | None = option(
        None,
        "[row, column] in pixels, the centre of the first pixel is 0.0; {dataset: P}, "
        "{file: F, dataset: P} or a file; null: the event's own, else the middle of the frame",
        check=_check_center,
    )
    cropsize: int = option(..., "side of the square cut about the centre, pixels", at_least=2)
    size: int = option(None, "side after binning; divides cropsize; null: cropsize", at_least=2)
    satvalue: float | None = option(
        None,
        "raw value at and above which a pixel is saturated, photons where there are gain stages; "
        "null: none is",
    )
    background: ArraySpec | Stages = option(
        ArraySpec(value=0.0),
        "raw units: number, file, {file: F, dataset: P} or {dataset: P}; where there are gain "
        "stages a file with these as its first axis, or a list of numbers",
        check=_check_background,
    )
    gain: ArraySpec | Stages = option(
        ArraySpec(value=1.0), "raw units per photon, written as background", check=_check_gain
    )

    def __post_init__(self) -> None:
        if self.size is None:
            object.__setattr__(self, "size", self.cropsize)


@dataclass(frozen=True)
class Workers:
    """What a worker uses, and how patient it is."""

    device: str = option("auto", "auto, cpu, cuda or cuda:K", check=_check_device)
    per_device: int = option(1, "workers that share one GPU", at_least=1, at_most=90)
    pack: int = option(
        1, "most jobs that a worker does at once; several fill a large GPU", at_least=1, at_most=64
    )
    threads: int = option(1, "CPU threads of one worker", at_least=1)
    retries: int = option(
        2, "new attempts at a job whose process was lost, killed or hung", at_least=0
    )
    timeout: float = option(600.0, "seconds without progress until a process is hung", above=0)
    checkpoint: int = option(5, "generations between two saved states", at_least=1)
    room: float = option(
        3600.0,
        "seconds that a write waits for room on the disk until the campaign ends, to be resumed",
        at_least=0,
    )


def _check_part(text: str | None) -> str | None:
    try:
        parse_part(text or "1/1")
    except ValueError:
        return f'must be "K/N" with K from 1 to N, not {text!r}'
    return None


@dataclass(frozen=True, kw_only=True)
class Config:
    """A campaign: what is reconstructed, with which settings, and by whom."""

    name: str = option(..., "name of the campaign", check=_check_name)
    output: HerePath = option("runs/{name}", "the run directory, from the current folder")
    seed: int = option(
        1, "same seed, same results, for any number of ranks", at_least=0, below=2**63
    )
    data: Data = option(..., "where the frames, their pids and their masks are")
    events: EventSelection = option(
        EventSelection,
        'all, or one of {slice: "0:100"}, {pids: [71-1-145, [71, 1, 146]]}, {list: hits.txt}, '
        '{where: "sum > 1e5 and lit > 2000"} of sum, lit (spring-index stats), step, damaged, '
        "duplicate, incomplete",
    )
    part: str | None = option(
        None, '"K/N": of these events the K-th, (K+N)-th, ... only; see --part', check=_check_part
    )
    pattern: PatternSection = option(..., "how a frame becomes a pattern")
    settings: Settings = option(Settings, "the parameters of the reconstruction")
    sweep: Sweep = option(Sweep, "settings that take several values; each makes a variant")
    workers: Workers = option(Workers, "what a worker uses, and how patient it is")
    steering: Literal["owner", "group"] = option(
        "owner", "who may steer the campaign: who owns the run directory, or its whole group"
    )
