"""Events of the European XFEL as EXtra-data reads them, the facility's own package.

It opens runs by folder or proposal, raw and corrected, and knows the modules of each detector.
Events have the pids of `euxfel`, and are found by train << 16 | place in the train as there.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm
from ...left_out import LeftOut
from ..euxfel.modules import Module, module_of
from ..euxfel.parallel_gain import of_gain, split_gain
from ..euxfel.raw import WITHOUT_GAIN, module_frame, planes_of, raw_form, with_codes, with_gain
from ..euxfel.trains import PID_NAMES, PLACE_BITS
from ..hdf5.joined import run_in_path
from ..parts import joined
from ..reader import DAMAGED, INCOMPLETE, Facts, Frame, PidDatasets, Scan
from .facility import faults_told, package

_MOST_LISTED = 12
_ADVICE = "pip install extra_data, or use reader euxfel, which needs no package of the facility"


class ExtraDataReader:
    """Frames of a detector, or of one key of a source.

    A source is the folder of a run, a file, or ``proposal=2746:run=100``, with ``:data=proc`` for
    one kind of data alone. ``dataset`` is a detector, ``SPB_DET_AGIPD1M-1``, whose modules are
    joined, or a source with its key, ``SPB_IRU_CAM:daqOutput/data.image.pixels``; None where
    there is one detector.
    """

    needs_file = False
    facts = Facts()

    def sniff(self, path: str) -> bool:
        """Never: such a reader must be named."""
        return False

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Trains, pulses and places of the frames; reads indexes and pulse ids.

        Suspect trains are `DAMAGED`, and frames whose modules have different pulse ids; events
        that lack a module are `INCOMPLETE`.

        Raises
        ------
        SourceError
            If EXtra-data is missing or cannot read the run, there is no such dataset, or ``pid``
            is given.
        """
        if pid:
            raise SourceError(f"{source}: the pid is {PID_NAMES}; leave 'pid' out")
        with _opened(source) as run, faults_told(source, "extra_data"):
            wanted, gain = split_gain(dataset)
            scan = _scan(*_choose(run, wanted), gain, number := _run_number(run, source))
            return replace(scan, left_out=tuple(_left_out(run, number, scan)))

    def open(self, source: str) -> ExtraDataHandle:
        """The run, ready for reading events by train and place."""
        return ExtraDataHandle(source)


class ExtraDataHandle:
    """An open run."""

    def __init__(self, source: str) -> None:
        self._source, self._stack = source, contextlib.ExitStack()
        self._run = self._stack.enter_context(_opened(source))
        self._chosen: dict[str, Sequence[_Channel]] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame, or the stack (modules, rows, columns), numbered by ``info["modules"]``.

        Its mask is that beside corrected data.
        """
        with faults_told(self._source, "extra_data"):
            frames = [
                frame for channel in self._channels(dataset) if (frame := _frame(channel, row))
            ]
        if not frames:
            raise KeyError(f"{dataset} has no frame for this event any more")
        return joined(frames)

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The value of ``SOURCE/KEY`` for the event; what a train has once holds for all of it."""
        with faults_told(self._source, "extra_data"):
            channel = self._channels(dataset)[0]
            value = _value(channel.data, row, channel.cells)
        if value is None:
            raise KeyError(f"{dataset} has no value for this event")
        return value

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def _channels(self, dataset: str) -> Sequence[_Channel]:
        if dataset not in self._chosen:
            _, self._chosen[dataset] = _choose(self._run, dataset)
        return self._chosen[dataset]


@dataclass(frozen=True)
class _Channel:
    """A key of a source, `KeyData`, and the keys beside it, None where there are none."""

    data: Any
    mask: Any
    ids: Any
    """Pulse ids."""
    cells: int
    """Memory cells of a Jungfrau, the second axis; 0 where that is something else."""
    module: Module | None
    raw: RawForm | None
    """What its values are, if they are as the detector gave them."""
    gain: Any
    """Codes of the gain stages beside raw frames of a Jungfrau."""

    @classmethod
    def of(cls, source: Any, key: str, module: Module | None) -> _Channel:
        """Of a `SourceData`."""
        data, group = source[key], key.rpartition(".")[0]
        mask, ids, gain = (
            source[name] if (name := f"{group}.{word}") in source else None
            for word in ("mask", "pulseId", "gain")
        )
        cells = data.entry_shape[0] if len(data.entry_shape) == 3 and group == "data" else 0
        planes = data.entry_shape[0] if len(data.entry_shape) == 3 and not cells else 0
        raw = raw_form(data.source, data.dtype, planes, has_mask=mask is not None)
        if cells and raw and raw.gain_bits:
            raw = WITHOUT_GAIN if gain is None else with_gain(raw, cells)
        codes = gain if raw and raw.is_joined else None
        return cls(data, mask, None if cells else ids, cells, module, raw, codes)


@contextlib.contextmanager
def _opened(source: str) -> Iterator[Any]:
    """The run as a `DataCollection`; no process is started for it, which MPI would not bear."""
    library = package("extra_data", _ADVICE)
    with faults_told(source, "extra_data"):
        if proposal := _proposal(source):
            run = library.open_run(**proposal, parallelize=False, aliases=None)
        elif os.path.isdir(source):
            run = library.RunDirectory(source, parallelize=False)
        else:
            run = library.H5File(source)
    try:
        yield run
    finally:
        for file in run.files:
            file.close()


def _proposal(text: str) -> dict[str, str]:
    """The arguments of `open_run` in a source, none for a path."""
    if not text.startswith("proposal="):
        return {}
    if not re.fullmatch(r"proposal=[^:=]+:run=r?\d+(:data=[^:=]+)?", text):
        raise SourceError(f"{text}: write proposal=2746:run=100, or proposal=2746:run=100:data=raw")
    return dict(part.split("=") for part in text.split(":"))


def _run_number(run: Any, source: str) -> int:
    if proposal := _proposal(source):
        return int(proposal["run"].lstrip("r"))
    return int(run.run_metadata().get("runNumber", run_in_path(run.files[0].filename)))


def _choose(run: Any, dataset: str | None) -> tuple[str, Sequence[_Channel]]:
    """Full name and channels of a dataset; `SourceError` that lists what there is."""
    kinds = dict(importlib.import_module("extra_data.components").identify_multimod_detectors(run))
    name = dataset or (next(iter(kinds)) if len(kinds) == 1 else "")
    if name in kinds:
        return name, _modules(run, name, kinds[name])
    for source in run.all_sources:
        if name.startswith((f"{source}/", f"{source} ")):
            key = name[len(source) + 1 :].replace("/", ".")
            if key in run[source]:
                return f"{source}/{key}", [_Channel.of(run[source], key, module_of(source))]
            raise SourceError(f"{source} has no {key!r}, but {_listed(run[source].keys())}")
    raise SourceError(
        f"{f'no dataset {name!r}' if name else 'which dataset is meant is unknown'}; name a "
        f"detector ({_listed(kinds) or 'there is none'}), or SOURCE/KEY with one of the sources "
        f"{_listed(run.instrument_sources)}"
    )


def _modules(run: Any, name: str, kind: Any) -> Sequence[_Channel]:
    with warnings.catch_warnings():
        # Raw data are meant where there are no corrected ones.
        warnings.simplefilter("ignore")
        detector = kind(run, name)
    key = "image.data" if "image.data" in detector else "data.adc"
    numbered = sorted((number, source) for source, number in detector.source_to_modno.items())
    return [_Channel.of(run[source], key, module_of(source)) for _, source in numbered]


def _listed(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:_MOST_LISTED]) + (", ..." if len(known) > _MOST_LISTED else "")


def _scan(name: str, channels: Sequence[_Channel], gain: int | None, run: int) -> Scan:
    columns = zip(*(_events(channel, gain) for channel in channels), strict=True)
    keys, pulses, flags = (np.concatenate(column) for column in columns)
    rows, first, event, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    flags[pulses != pulses[first][event]] |= DAMAGED
    joint = np.select([counts < len(channels), counts > len(channels)], [INCOMPLETE, DAMAGED], 0)
    np.bitwise_or.at(joint, event, flags)
    frames, trains = channels[0].data, rows >> PLACE_BITS
    return Scan(
        name,
        np.stack([np.full_like(trains, run), trains, pulses[first]], axis=1),
        PID_NAMES,
        (len(rows), *(len(channels),) * (len(channels) > 1), *frames.entry_shape[-2:]),
        str(frames.dtype),
        rows.astype(np.uint64),
        joint.astype(np.uint32),
        is_part=channels[0].module is not None,
    )


def _left_out(run: Any, number: int, scan: Scan) -> Iterator[LeftOut]:
    """Trains of the run without a frame."""
    assert scan.pids is not None
    trains = np.setdiff1d(np.asarray(run.train_ids, np.int64), scan.pids[:, 1])
    if len(trains):
        pids = np.stack([np.full_like(trains, number), trains], axis=1)
        yield LeftOut(len(trains), ("other sources",), pids, "trains")


def _events(channel: _Channel, gain: int | None) -> tuple[NDArray[np.int64], ...]:
    """For each frame the number that it is found by, its pulse, and its flags."""
    trains = channel.data.train_id_coordinates().astype(np.int64).repeat(channel.cells or 1)
    starts = np.flatnonzero(np.diff(trains, prepend=-1))
    counts = np.diff(starts, append=len(trains))
    if counts.max(initial=0) >= 1 << PLACE_BITS:
        raise ValueError(f"{counts.max()} frames of {channel.data.source} in a train are too many")
    places = np.arange(len(trains)) - starts.repeat(counts)
    pulses = places if channel.ids is None else channel.ids.ndarray().ravel().astype(np.int64)
    good = np.concatenate([file.valid_train_ids for file in channel.data.files]).astype(np.int64)
    flags = np.where(np.isin(trains, good), 0, DAMAGED)
    chosen, pulses = of_gain(channel.data.source, gain, trains, places, pulses)
    return (trains << PLACE_BITS | places)[chosen], pulses[chosen], flags[chosen]


def _frame(channel: _Channel, row: int) -> Frame | None:
    data = _value(channel.data, row, channel.cells)
    if data is None:
        return None
    bad = None if channel.mask is None else _value(channel.mask, row, channel.cells)
    info = {} if channel.module is None else channel.module.info
    codes = None if channel.gain is None else _value(channel.gain, row, channel.cells)
    # Of raw data, pairs of data and gain or single planes, the first is the frame.
    data = data[0] if planes_of(data.shape, data.dtype, () if bad is None else bad.shape) else data
    data = data if codes is None else with_codes(data, codes)
    return module_frame(data, bad, info=info, raw=channel.raw)


def _value(values: Any, row: int, cells: int) -> NDArray[Any] | None:
    """The entry of a `KeyData` for an event; None where it has none."""
    train, place = divmod(row, 1 << PLACE_BITS)
    for file in values.files:
        for position in np.flatnonzero(file.train_ids == train)[:1]:
            index = file.get_index(values.source, values.index_group)
            first, count = (int(column[position]) for column in index)
            entry, cell = divmod(0 if count * (cells or 1) == 1 else place, cells or 1)
            if entry >= count:
                return None
            frames = file.file[values.hdf5_data_path]
            return np.asarray(frames[first + entry, cell] if cells else frames[first + entry])
    return None
