"""Values with forms of their own: paths, masks, pids, centres, settings, sweeps."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..events.bits import MOST_BITS
from ..events.calibration import ArraySpec, MaskSpec
from ..events.formats.experiment import located, names_experiment
from ..events.formats.registry import takes_texts
from ..events.geometry import GeometrySpec
from ..names import parse_pid
from ..settings import SECTIONS, Settings
from .decode import Decoder, entries, refusal, scalar, shown
from .document import Items, Node, Place, Problem, Problems, Scalar, Section, find, join
from .sections import (
    ConfigPath,
    DataPath,
    EventSelection,
    HerePath,
    PatternSection,
    ReaderText,
    SourceText,
    legal_cropsizes,
    split_loader,
)
from .sweep import PYTHON_ONLY, sweepable

Hook = Callable[[Decoder, Node, str], Any]


@dataclass(frozen=True)
class Folders:
    """Where relative paths start."""

    config: str
    root: str

    def from_config(self, text: str, place: Place) -> str:
        """The config's folder, but for what the command line gives: the current folder."""
        return _absolute("" if place.on_command_line else self.config, text)

    def from_root(self, text: str, place: Place) -> str:
        """``data.root``, also for what the command line gives: it stands for the file's value."""
        return _absolute(self.root, text)

    def from_here(self, text: str, place: Place) -> str:
        return _absolute("", text)


def _absolute(folder: str, text: str) -> str:
    return os.path.abspath(os.path.join(folder, text))


def forms(tree: Node, folder: str) -> Mapping[Any, Hook]:
    """The hooks of a `Decoder` for a config that lies in ``folder``."""
    folders = Folders(folder, folder)
    root = find(tree, "data", "root")
    if isinstance(root, Scalar) and isinstance(root.value, str):
        folders = Folders(folder, folders.from_config(root.value, root.place))
    reader = find(tree, "data", "reader")
    needs_file = not (isinstance(reader, Scalar) and takes_texts(reader.value))
    return {
        HerePath: _path(folders.from_here),
        ConfigPath: _path(folders.from_config),
        DataPath: _path(folders.from_root),
        SourceText: _source(folders, needs_file),
        ReaderText: _reader(folders),
        ArraySpec: _array,
        MaskSpec: _mask,
        GeometrySpec: _geometry,
        EventSelection: _events,
        tuple[tuple[int, ...], ...]: _pids,
        PatternSection: _pattern,
        Settings: _settings,
        tuple[tuple[str, tuple[Any, ...]], ...]: _over,
    }


def scalar_text(decoder: Decoder, node: Node, path: str) -> str:
    """Text that is not empty; raises `RefusalError`."""
    text: str = scalar(node, str, path)
    if not text:
        raise refusal(node, path, "must not be empty")
    return text


def _path(absolute: Callable[[str, Place], str]) -> Hook:
    return lambda decoder, node, path: absolute(scalar_text(decoder, node, path), node.place)


def _source(folders: Folders, needs_file: bool) -> Hook:
    def decode(decoder: Decoder, node: Node, path: str) -> str:
        text = scalar_text(decoder, node, path)
        absolute = partial(folders.from_root, place=node.place)
        if needs_file and not names_experiment(text):
            return absolute(text)
        return located(text, absolute)

    return decode


def _reader(folders: Folders) -> Hook:
    def decode(decoder: Decoder, node: Node, path: str) -> str:
        text = scalar_text(decoder, node, path)
        loader = split_loader(text)
        return f"{folders.from_root(loader[0], node.place)}:{loader[1]}" if loader else text

    return decode


def _located(decoder: Decoder, node: Node, path: str, kind: type) -> Any:
    """An `ArraySpec` or a `MaskSpec` written as a mapping, its file absolute."""
    values, problems = decoder.given(node, kind, path)
    file = find(node, "file")
    if file is not None and values.get("file") is not None:
        with problems.gathered():
            values["file"] = decoder.decode(file, DataPath, join(path, "file"))
    problems.raise_any()
    return kind(**values)


def _array(decoder: Decoder, node: Node, path: str) -> ArraySpec:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return ArraySpec(file=decoder.decode(node, DataPath, path))
    if isinstance(node, Scalar) and _is_number(node.value):
        return ArraySpec(value=scalar(node, float, path))
    if not isinstance(node, Section):
        raise refusal(node, path, f"must be a number, a file or a mapping, not {shown(node)}")
    if (value := find(node, "value")) is not None:
        raise refusal(value, join(path, "value"), "unknown key; write the number alone")
    spec: ArraySpec = _located(decoder, node, path, ArraySpec)
    if spec.file is None and spec.dataset is None:
        raise refusal(node, path, "needs a file, a dataset, or both")
    return spec


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mask(decoder: Decoder, node: Node, path: str) -> MaskSpec:
    if isinstance(node, Scalar):
        message = f"must be a mapping such as {{file: mask.npy, bad: 1}}, not {shown(node)}"
        raise refusal(node, path, message)
    spec: MaskSpec = _located(decoder, node, path, MaskSpec)
    if [spec.bad, spec.good, spec.bad_bits].count(None) != 2:
        raise refusal(node, path, "needs exactly one of bad, good and bad_bits")
    if spec.bad_bits is not None and not 0 < spec.bad_bits < MOST_BITS:
        message = f"must be the sum of the bits that exclude, 1 to 0x{MOST_BITS - 1:x}"
        raise refusal(find(node, "bad_bits") or node, join(path, "bad_bits"), message)
    return spec


def _geometry(decoder: Decoder, node: Node, path: str) -> GeometrySpec:
    if not isinstance(node, Section):
        return GeometrySpec(decoder.decode(node, DataPath, path))
    values, problems = decoder.given(node, GeometrySpec, path)
    if (file := find(node, "file")) is not None:
        with problems.gathered():
            values["file"] = decoder.decode(file, DataPath, join(path, "file"))
    problems.raise_any()
    return GeometrySpec(**values)


def _events(decoder: Decoder, node: Node, path: str) -> EventSelection:
    kinds = "one of slice, pids, list and where"
    if isinstance(node, Scalar):
        if node.value == "all":
            return EventSelection()
        raise refusal(node, path, f"must be all, or a mapping with {kinds}, not {shown(node)}")
    values, problems = decoder.given(node, EventSelection, path)
    problems.raise_any()
    if sum(value is not None for value in values.values()) != 1:
        raise refusal(node, path, f"needs exactly {kinds}")
    return EventSelection(**values)


def _pids(decoder: Decoder, node: Node, path: str) -> tuple[tuple[int, ...], ...]:
    pids = []
    problems = Problems()
    for index, one in enumerate(node.nodes if isinstance(node, Items) else (node,)):
        with problems.gathered():
            pids.append(_pid(one, f"{path}[{index}]"))
    problems.raise_any()
    return tuple(pids)


def _pid(node: Node, path: str) -> tuple[int, ...]:
    if isinstance(node, Items) and node.nodes:
        return tuple(number for part in node.nodes for number in _pid(part, path))
    text = str(node.value) if isinstance(node, Scalar) else ""
    if re.fullmatch(r"\d+(-\d+)*", text):
        return parse_pid(text)
    raise refusal(node, path, f"must be like 71-1-145, [71, 1, 145] or 145, not {shown(node)}")


def _pattern(decoder: Decoder, node: Node, path: str) -> PatternSection:
    values, problems = decoder.given(node, PatternSection, path)
    cropsize, size = values.get("cropsize"), values.get("size")
    if cropsize and size and cropsize % size:
        lower, upper = legal_cropsizes(cropsize, size)
        message = f"must be a multiple of size ({size}); the nearest are {lower} and {upper}"
        place = (find(node, "cropsize") or node).place
        problems.append(Problem(place, join(path, "cropsize"), f"{message}, not {cropsize}"))
    problems.raise_any()
    return PatternSection(**values)


def _settings(decoder: Decoder, node: Node, path: str) -> Settings:
    settings = Settings()
    problems = Problems()
    for section, child in entries(node, SECTIONS, path, problems):
        with problems.gathered():
            here = join(path, section)
            values, faults = decoder.given(child, SECTIONS[section], here)
            problems.extend(faults)
            for key, value in values.items():
                with problems.gathered():
                    _refuse_python_only(f"{section}.{key}", find(child, key) or child, here)
                    settings.set(section, key, value)
    problems.raise_any()
    return settings


def _refuse_python_only(name: str, node: Node, path: str) -> None:
    if name in PYTHON_ONLY:
        message = f"is for MPR.run() in Python; here it is {PYTHON_ONLY[name]}"
        raise refusal(node, join(path, name.partition(".")[2]), message)


def _over(decoder: Decoder, node: Node, path: str) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    over = []
    problems = Problems()
    for name, child in entries(node, [*sweepable(), *PYTHON_ONLY], path, problems):
        with problems.gathered():
            over.append((name, _swept(decoder, child, path, name)))
    problems.raise_any()
    return tuple(over)


def _swept(decoder: Decoder, node: Node, path: str, name: str) -> tuple[Any, ...]:
    _refuse_python_only(name, node, join(path, "global"))
    here = join(path, name)
    if not isinstance(node, Items) or not node.nodes:
        raise refusal(node, here, f"must be a list of values, not {shown(node)}")
    values = []
    problems = Problems()
    for index, one in enumerate(node.nodes):
        with problems.gathered():
            values.append(decoder.option(one, sweepable()[name], f"{here}[{index}]"))
    problems.raise_any()
    return tuple(values)
