"""Values of a config: for each kind of value one form that reads, writes and describes it."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Annotated, Any, Literal, final

from ..schema import Option, alternatives, list_length, options, type_name
from .decode import entries, is_null, refusal, scalar, shown
from .document import Items, Node, Place, Problem, Problems, Section, absolute, all_problems, join

Json = dict[str, Any]
"""A JSON schema, or a part of one."""
_JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


@dataclass(frozen=True)
class Origin:
    """What the meaning of a value depends on beside its text."""

    config: str
    """Folder of the config file."""
    root: str
    """The folder that ``data.root`` names."""
    reads_files: bool = True
    """Whether the sources are files; False where the reader takes a text or a folder."""

    def from_config(self, text: str, place: Place) -> str:
        """A path from the config's folder, one of the command line from the current folder."""
        return absolute("" if place.on_command_line else self.config, text)

    def from_root(self, text: str, place: Place) -> str:
        """A path from ``data.root``, also on the command line: it stands for the file's value."""
        return absolute(self.root, text)

    def from_here(self, text: str, place: Place) -> str:
        """A path from the current folder."""
        return absolute("", text)


class Form(ABC):
    """One kind of value in a config; options have it by their type, see `form_of`."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The kind of value, for people."""

    @abstractmethod
    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        """The value that a node stands for.

        Raises
        ------
        RefusalError
            With every fault of the node and of what lies below it.
        """

    @abstractmethod
    def write(self, value: Any) -> Any:
        """The inverse of `parse`: mappings, lists and scalars."""

    @abstractmethod
    def schema(self) -> Json:
        """What `parse` accepts, as JSON schema; it may accept more where that cannot say it."""


def form_of(hint: Any) -> Form:
    """The form of an option's type.

    ``Annotated[TYPE, FORM]`` is a special value. All else is plain: numbers, text, choices, lists
    (``tuple``), sections (dataclasses), and each of these or null.
    """
    if typing.get_origin(hint) is Annotated:
        return typing.cast(Form, hint.__metadata__[0])
    if typing.get_origin(hint) is tuple:
        return ListForm(form_of(typing.get_args(hint)[0]), list_length(hint))
    if is_dataclass(hint):
        return SectionForm(typing.cast(type, hint))
    members = [member for member in alternatives(hint) if member is not type(None)]
    inner = form_of(members[0]) if members != [hint] and len(members) == 1 else None
    return PlainForm(hint) if inner is None or isinstance(inner, PlainForm) else NullableForm(inner)


@final
@dataclass(frozen=True)
class PlainForm(Form):
    """A number, text, a truth value or one of several words; null where the type has it."""

    hint: Any

    @property
    def text(self) -> str:
        return type_name(self.hint)

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        return scalar(node, self.hint, path)

    def write(self, value: Any) -> Any:
        return value

    def schema(self) -> Json:
        if typing.get_origin(self.hint) is Literal:
            return {"enum": list(typing.get_args(self.hint))}
        kinds = [_JSON_TYPES[member] for member in alternatives(self.hint)]
        return {"type": kinds if len(kinds) > 1 else kinds[0]}


@final
@dataclass(frozen=True)
class NullableForm(Form):
    """A value or null."""

    inner: Form

    @property
    def text(self) -> str:
        return f"{self.inner.text} or null"

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        return None if is_null(node) else self.inner.parse(node, path, origin)

    def write(self, value: Any) -> Any:
        return None if value is None else self.inner.write(value)

    def schema(self) -> Json:
        return or_null(self.inner.schema())


@final
@dataclass(frozen=True)
class ListForm(Form):
    """A list; one of any length may be written without brackets if it has one item.

    Null stands for an empty list.
    """

    item: Form
    length: int | None = None
    """None: any."""
    needs_one: bool = False

    @property
    def text(self) -> str:
        if self.length:
            return f"list of {self.length} {self.item.text}"
        return f"{self.item.text} or a list of such"

    def parse(self, node: Node, path: str, origin: Origin) -> tuple[Any, ...]:
        nodes = node.nodes if isinstance(node, Items) else (node,)
        if self.length is None and is_null(node):
            nodes = ()
        if self.length not in (None, len(nodes)):
            raise refusal(node, path, f"must be a {self.text}, not {shown(node)}")
        if self.needs_one and not nodes:
            raise refusal(node, path, "must name at least one")
        values = []
        with all_problems() as problems:
            for index, child in enumerate(nodes):
                with problems.gathered():
                    place = f"{path}[{index}]" if isinstance(node, Items) else path
                    values.append(self.item.parse(child, place, origin))
        return tuple(values)

    def write(self, value: Any) -> list[Any]:
        return [self.item.write(item) for item in value]

    def schema(self) -> Json:
        item = self.item.schema()
        if self.length:
            return array_of(item, self.length, self.length)
        several = {"anyOf": [item, array_of(item, 1 if self.needs_one else 0)]}
        return several if self.needs_one else or_null(several)


@final
@dataclass(frozen=True)
class SectionForm(Form):
    """A mapping whose keys are the options of a dataclass; null is an empty one."""

    kind: type
    hints: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Types that stand in place of those of the dataclass."""
    hidden: tuple[str, ...] = ()
    """Fields that are no keys."""

    text = "mapping"

    def options(self) -> dict[str, Option]:
        """The options by their names, in the order of the dataclass."""
        return {
            one.name: replace(one, hint=self.hints.get(one.name, one.hint))
            for one in options(self.kind)
            if one.name not in self.hidden
        }

    def given(self, node: Node, path: str, origin: Origin) -> tuple[dict[str, Any], Problems]:
        """The values of those keys that are given and legal, and all faults."""
        known = self.options()
        values: dict[str, Any] = {}
        problems = Problems()
        with problems.gathered():
            for key, child in entries(node, known, path, problems):
                with problems.gathered():
                    values[key] = parse_option(known[key], child, join(path, key), origin)
            problems.extend(_missing(node, known.values(), path))
        return values, problems

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        values, problems = self.given(node, path, origin)
        problems.raise_any()
        return self.kind(**values)

    def write(self, value: Any) -> dict[str, Any]:
        return {
            name: None if (item := getattr(value, name)) is None else form_of(one.hint).write(item)
            for name, one in self.options().items()
            if not one.instead
        }

    def write_given(self, value: Any) -> dict[str, Any]:
        """Like `write`, without the keys that are null."""
        return {name: item for name, item in self.write(value).items() if item is not None}

    def schema(self) -> Json:
        known = [one for one in self.options().values() if not one.instead]
        required = [one.name for one in known if one.required]
        made = mapping_of({one.name: option_schema(one) for one in known}, required)
        return made if required else or_null(made)


def _missing(node: Node, known: Iterable[Option], path: str) -> Iterator[Problem]:
    present = {entry.key for entry in node.entries} if isinstance(node, Section) else set()
    for one in known:
        if one.required and one.name not in present:
            yield Problem(node.place, join(path, one.name), f"is missing: {one.text}")


def parse_option(one: Option, node: Node, path: str, origin: Origin) -> Any:
    """The value of one option, its range checked; null where that is the option's default."""
    check_is_key(one, node, path)
    if one.default is None and is_null(node):
        return None
    value = form_of(one.hint).parse(node, path, origin)
    try:
        one.verify(value)
    except ValueError as fault:
        raise refusal(node, path, str(fault)) from None
    return value


def check_is_key(one: Option, node: Node, path: str) -> None:
    """Raises `RefusalError` for an option in whose place a config has another key."""
    if one.instead:
        raise refusal(node, path, elsewhere(one))


def elsewhere(one: Option) -> str:
    """What there is to say of an option in whose place a config has another key."""
    return f"is for MPR.run() in Python; here it is {one.instead}"


def option_text(one: Option) -> str:
    """Type and range of an option, for people."""
    kind = form_of(one.hint).text
    if one.default is None and not kind.endswith("null"):
        kind += " or null"
    return " ".join(part for part in (kind, str(one.range)) if part)


def section_text(kind: type) -> str:
    """The description of a section that has none but its class's own."""
    return (kind.__doc__ or "").replace("`", "")


def shown_value(one: Option) -> Any:
    """What stands for an option that is left out: its default, or an example."""
    if one.required:
        return one.example
    return None if one.default is None else form_of(one.hint).write(one.default)


def value_schema(one: Option) -> Json:
    """The values of an option as JSON schema."""
    made = form_of(one.hint).schema() | one.range.keywords()
    return or_null(made) if one.default is None else made


def option_schema(one: Option) -> Json:
    """An option as JSON schema, with its description, default or example."""
    made = ({"description": one.text} if one.text else {}) | value_schema(one)
    if "properties" in made or (one.required and one.example is None):
        return made
    value = shown_value(one)
    return made | ({"examples": [value]} if one.required else {"default": value})


def or_null(schema: Json) -> Json:
    """The schema, which also accepts null."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return schema | {"type": [kind, "null"]}
    if kind is not None and "null" in kind:
        return schema
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    ways = schema.get("anyOf", [schema])
    null = {"type": "null"}
    return {"anyOf": ways if null in ways else [*ways, null]}


def array_of(item: Json, least: int = 0, most: int | None = None) -> Json:
    """The schema of a list."""
    limits = ({"minItems": least} if least else {}) | ({"maxItems": most} if most else {})
    return {"type": "array", "items": item} | limits


def mapping_of(properties: Json, required: Iterable[str] = ()) -> Json:
    """The schema of a mapping that has no other keys than these."""
    made: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    needed = list(required)
    return made | {"required": needed} if needed else made
