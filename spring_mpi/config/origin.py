"""Where the paths of a config start, and what else a value's meaning depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeGuard

from ..events.formats.registry import takes_texts
from .document import Node, Place, Scalar, absolute, find


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


def origin_of(tree: Node, folder: str) -> Origin:
    """The origin of a config's values, by its folder and by what it says of its data."""
    # Both are looked at before anything is decoded: other values need them, whatever their order.
    root, reader = find(tree, "data", "root"), find(tree, "data", "reader")
    origin = Origin(folder, folder, not (_is_text(reader) and takes_texts(reader.value)))
    if _is_text(root):
        return replace(origin, root=origin.from_config(root.value, root.place))
    return origin


def _is_text(node: Node | None) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, str)
