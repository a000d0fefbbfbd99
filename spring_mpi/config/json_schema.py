"""Pieces of JSON schemas, draft 7."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
"""A JSON schema, or a part of one."""


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
    """A list of items with that schema, at least and at most so many."""
    limits = ({"minItems": least} if least else {}) | ({"maxItems": most} if most else {})
    return {"type": "array", "items": item} | limits


def mapping_of(properties: Json, required: Iterable[str] = ()) -> Json:
    """A mapping that has no other keys than these."""
    made: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    needed = list(required)
    return made | {"required": needed} if needed else made


def has_value(key: str) -> Json:
    """A mapping in which the key is given, and not null."""
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
