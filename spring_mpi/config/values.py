"""Special values of a config: one class for each, which reads, writes and describes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, final

from ..events.formats.bits import MOST_BITS
from ..events.formats.experiment import located, names_experiment
from ..events.formats.registry import BUILT_IN, reader_names
from ..events.gain_stages import CODINGS, NO_GAIN_BITS
from ..events.specs import ArraySpec, GeometrySpec, MaskSpec, Stages
from ..model.findings import AUTO
from ..model.names import FILE_CHARACTERS, file_name
from ..model.options import suggest
from .decode import filled_text, refusal, scalar, shown
from .document import Items, Node, Place, Scalar, Section, find, join
from .forms import Form, ListForm, PlainForm, SectionForm
from .json_schema import Json, array_of, has_value
from .origin import Origin

_FILLED: Json = {"type": "string", "minLength": 1}


class TextForm(Form):
    """A value that is kept as text."""

    @property
    def text(self) -> str:
        return "text"

    @final
    def write(self, value: str) -> str:
        return value


@final
@dataclass(frozen=True)
class PathForm(TextForm):
    """A path, made absolute."""

    absolute: Callable[[Origin, str, Place], str]

    text = "path"

    def parse(self, node: Node, path: str, origin: Origin) -> str:
        return self.absolute(origin, filled_text(node, path), node.place)

    def schema(self) -> Json:
        return _FILLED


@final
class SourceForm(TextForm):
    """A file, a pattern of file names, a folder, or the text of a source without a file."""

    def parse(self, node: Node, path: str, origin: Origin) -> str:
        text = filled_text(node, path)
        absolute = partial(origin.from_root, place=node.place)
        is_file = origin.reads_files and not names_experiment(text)
        return absolute(text) if is_file else located(text, absolute)

    def schema(self) -> Json:
        return _FILLED


@final
class ReaderForm(TextForm):
    """The name of a reader, or ``FILE.py:FUNCTION`` with the path of the file made absolute."""

    _LOADER = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")

    def parse(self, node: Node, path: str, origin: Origin) -> str:
        text = filled_text(node, path)
        if loader := self._LOADER.fullmatch(text):
            return f"{origin.from_root(loader['file'], node.place)}:{loader['function']}"
        # Plug-ins are looked for only where the name is none of ours: it takes a while.
        if text not in ("auto", *BUILT_IN) and text not in (known := ("auto", *reader_names())):
            raise refusal(node, path, self._message(text, known))
        return text

    def _message(self, text: str, known: tuple[str, ...]) -> str:
        near = suggest(text, known) if ".py" not in text else ""
        hint = near if "mean" in near else ""
        return f"must be one of {', '.join(known)}, or FILE.py:FUNCTION, not {text!r}{hint}"

    def schema(self) -> Json:
        # Any text may be the name of a plug-in; the list is for what an editor proposes.
        return {"anyOf": [{"enum": ["auto", *BUILT_IN]}, _FILLED]}


@final
@dataclass(frozen=True)
class PatternedText(TextForm):
    """Text that a function checks."""

    fault: Callable[[str], str | None]
    """What is wrong with a text, or None."""
    pattern: str
    """Regular expression that all right texts match."""

    def parse(self, node: Node, path: str, origin: Origin) -> str:
        text: str = scalar(node, str, path)
        if message := self.fault(text):
            raise refusal(node, path, message)
        return text

    def schema(self) -> Json:
        # A schema looks for the pattern anywhere in a text, unlike `re.fullmatch`.
        return {"type": "string", "pattern": f"^({self.pattern})$"}


@final
class GainBitsForm(TextForm):
    """A kind of detector that has its gain stage in the bits of raw values, or none."""

    known = (*CODINGS, NO_GAIN_BITS)

    def parse(self, node: Node, path: str, origin: Origin) -> str:
        text: str = scalar(node, str, path)
        if text not in self.known:
            raise refusal(node, path, f"must be one of {', '.join(self.known)}, not {text!r}")
        return text

    def schema(self) -> Json:
        return {"enum": list(self.known)}


def _name_fault(name: str) -> str | None:
    if name == file_name(name) and name.strip("."):
        return None
    signs = FILE_CHARACTERS.removeprefix("A-Za-z0-9")
    return f"may hold letters, digits and {signs} only, not {name!r}"


_DEVICE = r"auto|cpu|cuda(:\d+)?"


def _device_fault(device: str) -> str | None:
    if re.fullmatch(_DEVICE, device):
        return None
    return f"must be auto, cpu, cuda or cuda:K, not {device!r}"


@final
@dataclass(frozen=True, eq=False)
class ArrayForm(Form):
    """A number, a file or a dataset; or a list of numbers."""

    fault: Callable[[Any], str | None]
    """What is wrong with a value of the right type, or None."""
    alone: Json | None
    """The schema of a number that stands alone; None: none may."""
    listed: Json
    """The schema of a list."""
    length: int | None = None
    """Of a list; None: any."""

    @property
    def text(self) -> str:
        return f"{'' if self.alone is None else 'number, '}path, mapping or list of numbers"

    def parse(self, node: Node, path: str, origin: Origin) -> ArraySpec | tuple[float, ...]:
        form = ListForm(_NUMBER, self.length)
        is_list = isinstance(node, Items)
        made = form.parse(node, path, origin) if is_list else _array(node, path, origin)
        if message := self.fault(made):
            raise refusal(node, path, message)
        return made

    def write(self, value: ArraySpec | tuple[float, ...]) -> Any:
        if isinstance(value, tuple):
            return list(value)
        return _ARRAY.write_given(value) if value.value is None else value.value

    def schema(self) -> Json:
        ways = [_FILLED, _ARRAY.schema() | {"type": "object", "minProperties": 1}, self.listed]
        return {"anyOf": ways if self.alone is None else [self.alone, *ways]}


@final
@dataclass(frozen=True, eq=False)
class AutoForm(Form):
    """The word ``auto``, which stands for a value that is to be found, or such a value."""

    inner: Form

    @property
    def text(self) -> str:
        return f"{AUTO} or {self.inner.text}"

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        is_auto = isinstance(node, Scalar) and node.value == AUTO
        return AUTO if is_auto else self.inner.parse(node, path, origin)

    def write(self, value: Any) -> Any:
        return AUTO if isinstance(value, str) else self.inner.write(value)

    def schema(self) -> Json:
        return {"anyOf": [{"enum": [AUTO]}, self.inner.schema()]}


def _array(node: Node, path: str, origin: Origin) -> ArraySpec:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return ArraySpec(file=_DATA_PATH.parse(node, path, origin))
    if isinstance(node, Scalar) and _is_number(node.value):
        return ArraySpec(value=scalar(node, float, path))
    if not isinstance(node, Section):
        raise refusal(node, path, f"must be a number, a file or a mapping, not {shown(node)}")
    if (value := find(node, "value")) is not None:
        raise refusal(value, join(path, "value"), "unknown key; write the number alone")
    spec: ArraySpec = _ARRAY.parse(node, path, origin)
    if spec.file is None and spec.dataset is None:
        raise refusal(node, path, "needs a file, a dataset, or both")
    return spec


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _center_fault(center: ArraySpec | tuple[float, ...]) -> str | None:
    if isinstance(center, ArraySpec) and center.value is not None:
        return "must be [row, column], a file or a dataset, not one number"
    return None


def _background_fault(background: ArraySpec | Stages) -> str | None:
    return "must have a number for each gain stage" if background == () else None


def _gain_fault(gain: ArraySpec | Stages) -> str | None:
    if not isinstance(gain, ArraySpec):
        return None if gain and all(gain) else "must have a number other than 0 for each gain stage"
    return None if gain.value is None or gain.value > 0 else f"must be >0, not {gain.value:g}"


@final
class MaskForm(Form):
    """A mask: where its values are, and which of them exclude."""

    _MEANINGS = ("bad", "good", "bad_bits")

    text = "mapping"

    def parse(self, node: Node, path: str, origin: Origin) -> MaskSpec:
        if isinstance(node, Scalar):
            message = f"must be a mapping such as {{file: mask.npy, bad: 1}}, not {shown(node)}"
            raise refusal(node, path, message)
        spec: MaskSpec = _MASK.parse(node, path, origin)
        if sum(getattr(spec, key) is not None for key in self._MEANINGS) != 1:
            raise refusal(node, path, "needs exactly one of bad, good and bad_bits")
        if spec.bad_bits is not None and not 0 < spec.bad_bits < MOST_BITS:
            message = f"must be the sum of the bits that exclude, 1 to 0x{MOST_BITS - 1:x}"
            raise refusal(find(node, "bad_bits") or node, join(path, "bad_bits"), message)
        return spec

    def write(self, value: MaskSpec) -> Json:
        return _MASK.write_given(value)

    def schema(self) -> Json:
        # Without a meaning there is no mask: unlike other sections it may not be null.
        made = _MASK.schema() | {
            "type": "object",
            "oneOf": [has_value(key) for key in self._MEANINGS],
        }
        made["properties"]["bad_bits"] |= {"minimum": 1, "maximum": MOST_BITS - 1}
        return made


@final
class GeometryForm(Form):
    """The file of a geometry, alone or with what it does not say itself."""

    text = "path or mapping"

    def parse(self, node: Node, path: str, origin: Origin) -> GeometrySpec:
        if not isinstance(node, Section):
            return GeometrySpec(_DATA_PATH.parse(node, path, origin))
        spec: GeometrySpec = _GEOMETRY.parse(node, path, origin)
        if spec.quadrants is not None and len(spec.quadrants) != 4:
            message = f"must have 4 quadrants [x, y], not {len(spec.quadrants)}"
            raise refusal(node, path, message)
        return spec

    def write(self, value: GeometrySpec) -> Json:
        return _GEOMETRY.write_given(value)

    def schema(self) -> Json:
        made = _GEOMETRY.schema()
        # The type of the field cannot say how many there are.
        quadrants = array_of(ListForm(_NUMBER, 2).schema(), 4, 4) | {"type": ["array", "null"]}
        text = made["properties"]["quadrants"]["description"]
        made["properties"]["quadrants"] = {"description": text} | quadrants
        return {"anyOf": [_FILLED, made]}


_NUMBER = PlainForm(float)
_DATA_PATH = PathForm(Origin.from_root)
# Specs of `events` hold absolute paths; only a config knows where a written one starts.
_IN_FILE = {"file": Annotated[str, _DATA_PATH] | None}
_ARRAY = SectionForm(ArraySpec, _IN_FILE, hidden=("value",))
_MASK = SectionForm(MaskSpec, _IN_FILE)
_GEOMETRY = SectionForm(GeometrySpec, {"file": Annotated[str, _DATA_PATH]})
_FLOAT = _NUMBER.schema()

# The types of options: what the program gets, and the form in which a config has it.
ConfigPath = Annotated[str, PathForm(Origin.from_config)]
DataPath = Annotated[str, _DATA_PATH]
HerePath = Annotated[str, PathForm(Origin.from_here)]
Sources = Annotated[tuple[str, ...], ListForm(SourceForm(), needs_one=True)]
Reader = Annotated[str, ReaderForm()]
GainBits = Annotated[str, GainBitsForm()]
Name = Annotated[str, PatternedText(_name_fault, rf"(?!\.*$)[{FILE_CHARACTERS}]+")]
Device = Annotated[str, PatternedText(_device_fault, _DEVICE)]
Center = Annotated[
    ArraySpec | tuple[float, float] | Literal["auto"],
    AutoForm(ArrayForm(_center_fault, None, array_of(_FLOAT, 2, 2), 2)),
]
Background = Annotated[
    ArraySpec | Stages, ArrayForm(_background_fault, _FLOAT, array_of(_FLOAT, 1))
]
Gain = Annotated[
    ArraySpec | Stages,
    ArrayForm(
        _gain_fault,
        _FLOAT | {"exclusiveMinimum": 0},
        array_of(_FLOAT | {"not": {"const": 0}}, 1),
    ),
]
Mask = Annotated[MaskSpec, MaskForm()]
Geometry = Annotated[GeometrySpec, GeometryForm()]
