"""Values of a config: for each kind of value one form that reads, writes and describes it."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Annotated, Any, Literal, final

from ..model.options import Option, alternatives, list_length, options, type_name
from .decode import entries, is_null, refusal, scalar, shown
from .document import Items, Node, Problem, Problems, Section, all_problems, find, join
from .json_schema import Json, array_of, mapping_of, or_null
from .origin import Origin

Faults = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]
"""Gives key and message of what is wrong with the legal values of a section's keys."""
_JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


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
    # Scalars take null by themselves, so that their messages name it: "must be float or null".
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
        members = alternatives(self.hint)
        words = [word for member in members if typing.get_origin(member) is Literal
                 for word in typing.get_args(member)]  # fmt: skip
        kinds = [_JSON_TYPES[member] for member in members if member in _JSON_TYPES]
        if not kinds:
            return {"enum": words}
        made: Json = {"type": kinds if len(kinds) > 1 else kinds[0]}
        return {"anyOf": [made, {"enum": words}]} if words else made


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
    faults: Faults = lambda values: iter(())
    """Which values do not go together."""

    text = "mapping"

    def key_forms(self) -> dict[str, KeyForm]:
        """The form of each key by its name, in the order of the dataclass."""
        return {
            option.name: KeyForm(replace(option, hint=self.hints.get(option.name, option.hint)))
            for option in options(self.kind)
            if option.name not in self.hidden
        }

    def given(self, node: Node, path: str, origin: Origin) -> tuple[dict[str, Any], Problems]:
        """The values of those keys that are given and legal, and all faults."""
        keys = self.key_forms()
        values: dict[str, Any] = {}
        problems = Problems()
        with problems.gathered():
            for name, child in entries(node, keys, path, problems):
                with problems.gathered():
                    values[name] = keys[name].parse(child, join(path, name), origin)
            problems.extend(_missing(node, keys.values(), path))
        for name, message in self.faults(values):
            problems.append(Problem((find(node, name) or node).place, join(path, name), message))
        return values, problems

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        values, problems = self.given(node, path, origin)
        problems.raise_any()
        return self.kind(**values)

    def write(self, value: Any) -> dict[str, Any]:
        return {
            name: key.write(getattr(value, name))
            for name, key in self.key_forms().items()
            if not key.option.instead
        }

    def write_given(self, value: Any) -> dict[str, Any]:
        """Like `write`, without the keys that are null."""
        return {name: item for name, item in self.write(value).items() if item is not None}

    def schema(self) -> Json:
        keys = {name: key for name, key in self.key_forms().items() if not key.option.instead}
        required = [name for name, key in keys.items() if key.option.required]
        made = mapping_of({name: key.schema() for name, key in keys.items()}, required)
        return made if required else or_null(made)

    def description(self) -> str:
        """What the dataclass says of itself, for sections that no option describes."""
        return (self.kind.__doc__ or "").replace("`", "")


def _missing(node: Node, keys: Iterable[KeyForm], path: str) -> Iterator[Problem]:
    present = {entry.key for entry in node.entries} if isinstance(node, Section) else set()
    for option in (key.option for key in keys):
        if option.required and option.name not in present:
            yield Problem(node.place, join(path, option.name), f"is missing: {option.text}")


@final
@dataclass(frozen=True)
class KeyForm(Form):
    """The value of one key: of its option's type and range, or null where that is the default."""

    option: Option

    @property
    def form(self) -> Form:
        """The form of the option's type."""
        return form_of(self.option.hint)

    @property
    def text(self) -> str:
        kind = self.form.text
        if self.option.default is None and not kind.endswith("null"):
            kind += " or null"
        return f"{kind} {self.option.range}".rstrip()

    def parse(self, node: Node, path: str, origin: Origin) -> Any:
        self.check_is_key(node, path)
        if self.option.default is None and is_null(node):
            return None
        value = self.form.parse(node, path, origin)
        try:
            self.option.verify(value)
        except ValueError as fault:
            raise refusal(node, path, str(fault)) from None
        return value

    def write(self, value: Any) -> Any:
        return None if value is None else self.form.write(value)

    def schema(self) -> Json:
        made = {"description": self.option.text} | self.value_schema()
        # A section's default is that of its keys.
        if "properties" in made:
            return made
        return made | (
            {"examples": [self.shown]} if self.option.required else {"default": self.shown}
        )

    def value_schema(self) -> Json:
        """The schema of a value, without what it means and what it is by default."""
        made = self.form.schema() | self.option.range.keywords()
        return or_null(made) if self.option.default is None else made

    @property
    def shown(self) -> Any:
        """What is written where nothing is chosen: the default, or an example."""
        option = self.option
        return option.example if option.required else self.write(option.default)

    @property
    def elsewhere(self) -> str:
        """What there is to say of an option in whose place a config has another key."""
        return f"is for MPR.run() in Python; here it is {self.option.instead}"

    def check_is_key(self, node: Node, path: str) -> None:
        """Raises `RefusalError` for an option in whose place a config has another key."""
        if self.option.instead:
            raise refusal(node, path, self.elsewhere)
