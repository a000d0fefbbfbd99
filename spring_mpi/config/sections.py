"""The sections of a config: frozen values with their defaults, ranges and descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..events.formats.registry import BUILT_IN
from ..events.gain_stages import CODINGS, NO_GAIN_BITS
from ..events.specs import ArraySpec
from ..model.options import option
from ..model.settings import Settings
from .event_choice import Events, EventSelection, Part
from .forms import KeyForm, SectionForm
from .quick import Changes, QuickForm
from .sweep import SettingsForm, Sweep
from .values import (
    Background,
    Center,
    ConfigPath,
    Device,
    Gain,
    GainBits,
    Geometry,
    HerePath,
    Mask,
    Name,
    Reader,
    Sources,
)


def legal_cropsizes(cropsize: int, size: int) -> tuple[int, int]:
    """The two multiples of ``size`` nearest to ``cropsize``."""
    lower = max(cropsize // size, 1) * size
    return lower, lower + size


def _cropsize_faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    cropsize, size = values.get("cropsize"), values.get("size")
    if cropsize and size and cropsize % size:
        lower, upper = legal_cropsizes(cropsize, size)
        nearest = f"the nearest are {lower} and {upper}, not {cropsize}"
        yield "cropsize", f"must be a multiple of size ({size}); {nearest}"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the frames, their pids and their masks are."""

    root: ConfigPath = option(
        ".",
        "folder at which the paths of data, events and pattern start, also those of --set; "
        "itself from this file, that of --set data.root from the current folder",
    )
    source: Sources = option(..., "file, glob, list of them, or source string", example="run34.cxi")
    reader: Reader = option(
        "auto", f"one of auto, {', '.join(BUILT_IN)}; a plug-in's name; or FILE.py:FUNCTION"
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
    mask: tuple[Mask, ...] = option(
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
    geometry: Geometry | None = option(
        None,
        "file that says where the pixels of the modules are (CrystFEL, psana, EuXFEL HDF5), or "
        "{file: F, quadrants: Q, first_module: N} with Q the four [x, y] in mm and N the number "
        "of the first panel's module in the data; null: frames are images",
    )
    gain_bits: GainBits | None = option(
        None,
        f"kind of detector whose gain stage is in the bits of the raw values, one of "
        f"{', '.join(CODINGS)}, or {NO_GAIN_BITS}: there are no such bits; null: as the reader "
        "knows; background and gain are then given for each stage",
    )
    index: HerePath | None = option(
        None, "the event index, from the current folder; null: index.h5 in the run directory"
    )


@dataclass(frozen=True, kw_only=True)
class PatternSection:
    """How a frame becomes a pattern."""

    center: Center | None = option(
        None,
        "[row, column] in pixels, the centre of the first pixel is 0.0; {dataset: P}, "
        "{file: F, dataset: P} or a file; auto: each event's, by Friedel's law; null: the event's "
        "own, else the middle of the frame",
    )
    cropsize: int = option(
        ..., "side of the square cut about the centre, pixels", at_least=2, example=1024
    )
    size: int = option(None, "side after binning; divides cropsize; null: cropsize", at_least=2)
    satvalue: float | Literal["auto"] | None = option(
        None,
        "raw value at and above which a pixel is saturated, photons where there are gain stages; "
        "auto: where each event's values have a plateau; null: none is",
    )
    background: Background = option(
        ArraySpec(value=0.0),
        "raw units: number, file, {file: F, dataset: P} or {dataset: P}; where there are gain "
        "stages a file with these as its first axis, or a list of numbers",
    )
    gain: Gain = option(ArraySpec(value=1.0), "raw units per photon, written as background")

    def __post_init__(self) -> None:
        if self.size is None:
            object.__setattr__(self, "size", self.cropsize)


Pattern = Annotated[PatternSection, SectionForm(PatternSection, faults=_cropsize_faults)]


@dataclass(frozen=True)
class Workers:
    """What a worker uses, and how patient it is."""

    device: Device = option("auto", "auto, cpu, cuda or cuda:K")
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


@dataclass(frozen=True, kw_only=True)
class Config:
    """A campaign: what is reconstructed, with which settings, and by whom."""

    name: Name = option(..., "name of the campaign", example="demo")
    output: HerePath = option("runs/{name}", "the run directory, from the current folder")
    seed: int = option(
        1, "same seed, same results, for any number of ranks", at_least=0, below=2**63
    )
    data: Data = option(..., "where the frames, their pids and their masks are")
    events: Events = option(
        EventSelection,
        'all, or one of {slice: "0:100"}, {pids: [71-1-145, [71, 1, 146]]}, {list: hits.txt}, '
        '{where: "sum > 1e5 and lit > 2000"} of sum, lit (spring-index stats), step, damaged, '
        "duplicate, incomplete",
    )
    part: Part | None = option(
        None, '"K/N": of these events the K-th, (K+N)-th, ... only; see --part'
    )
    pattern: Pattern = option(..., "how a frame becomes a pattern")
    settings: Annotated[Settings, SettingsForm()] = option(
        Settings, "the parameters of the reconstruction"
    )
    quick: Annotated[Changes | None, QuickForm()] = option(
        None,
        "settings with which every job runs first, such as {global: {generations: 4}}, or true for "
        "a choice of them; where the result is doubtful, a job NAME~full with all of settings "
        "follows behind the others",
    )
    sweep: Sweep = option(Sweep, "settings that take several values; each makes a variant")
    workers: Workers = option(Workers, "what a worker uses, and how patient it is")
    steering: Literal["owner", "group"] = option(
        "owner", "who may steer the campaign: who owns the run directory, or its whole group"
    )


def key_form(path: str) -> KeyForm:
    """The form of a key of a section, such as ``data.mask``."""
    section, _, key = path.partition(".")
    form = SectionForm(Config).key_forms()[section].form
    if not isinstance(form, SectionForm):
        raise KeyError(path)
    return form.key_forms()[key]
