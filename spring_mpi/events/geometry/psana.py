"""Geometry of LCLS detectors: the calibration text of psana (PSCalib ``GeometryAccess``).

Each line places an object in the frame of its parent::

    CSPAD:V2   0   SENS2X1:V1   3   16415 101350 185   0.0 0.0 0.0   0.15130 0.09867 -0.29055

that is parent and its number, object and its number, x, y, z in micrometres, and the angles about
z, y, x in degrees: by design, and the tilts that are added to them. The object is turned about z,
then y, then x, and then shifted. Objects that are nobody's parents are sensors; their order in the
file is that of the data. psana's outermost frame has x down, y right and z against the beam.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .layout import LARGEST, Geometry, lay_out
from .segments import Segment, find_segment

Key = tuple[str, int]

_FIELDS = 13
_FARTHEST = 1e9
# x points left where psana's y points right, y up where its x points down, z along the beam.
_TO_LAB = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
_METRE = 1e-6


@dataclass(frozen=True)
class _Object:
    """One line."""

    line: int
    parent: Key
    key: Key
    shift: tuple[float, ...]
    """x, y, z in the frame of the parent, micrometres."""
    angles: tuple[float, ...]
    """About z, y, x, degrees."""

    def turned(self) -> NDArray[np.float64]:
        """The rotation, (3, 3)."""
        return np.asarray(Rotation.from_euler("zyx", self.angles, degrees=True).as_matrix())


@dataclass(frozen=True, eq=False)
class _Sensor:
    """A leaf of the tree, and how to get from its frame to the outermost one."""

    made: _Object
    turn: NDArray[np.float64]
    shift: NDArray[np.float64]


def read(text: str) -> Geometry:
    """The geometry that a psana text describes; wide pixels between chips are bad.

    Raises
    ------
    ValueError
        With the number of the line that is wrong, and why.
    """
    sensors = list(_sensors(_objects(text)))
    segment = _common_segment([sensor.made for sensor in sensors])
    if len(sensors) * segment.x.size > LARGEST:
        raise ValueError(f"describes {len(sensors)} sensors {segment.x.shape}, too many to hold")
    flat = np.stack([segment.x, segment.y, np.zeros_like(segment.x)], axis=-1)
    frames = [flat @ sensor.turn.T + sensor.shift for sensor in sensors]
    positions = np.stack(frames) @ _TO_LAB.T * _METRE
    pitch = segment.pitch * _METRE
    bad = np.broadcast_to(segment.wide, positions.shape[:3])
    return lay_out(positions, (pitch, pitch), bad)


def _objects(text: str) -> list[_Object]:
    objects = [
        _parse(number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not objects:
        raise ValueError("places no sensor")
    return objects


def _parse(number: int, line: str) -> _Object:
    fields = line.split()
    if len(fields) != _FIELDS:
        raise ValueError(f"line {number}: has {len(fields)} fields, not {_FIELDS}")
    try:
        parent, key = (fields[0], int(fields[1])), (fields[2], int(fields[3]))
        values = [float(field) for field in fields[4:]]
    except ValueError as fault:
        raise ValueError(f"line {number}: {fault}") from None
    if not all(math.isfinite(value) and abs(value) < _FARTHEST for value in values):
        raise ValueError(f"line {number}: a length or an angle is not possible")
    x, y, z, *angles = values
    if parent[0].startswith("IP"):
        # Both signs are in use, but detectors are never upstream.
        z = -abs(z)
    turns = tuple(rot + tilt for rot, tilt in zip(angles[:3], angles[3:], strict=True))
    return _Object(number, parent, key, (x, y, z), turns)


def _sensors(objects: Sequence[_Object]) -> Iterator[_Sensor]:
    """The leaves in the order of the data: depth first, children as in the file."""
    children: dict[Key, list[_Object]] = {}
    for node in objects:
        children.setdefault(node.parent, []).append(node)
    _check_tree(objects, children)
    root = next(iter(children.keys() - {node.key for node in objects}))
    waiting = [_Sensor(node, np.eye(3), np.zeros(3)) for node in reversed(children[root])]
    seen = 0
    while waiting:
        outer, seen = waiting.pop(), seen + 1
        made = outer.made
        turn = outer.turn @ made.turned()
        shift = outer.turn @ np.asarray(made.shift) + outer.shift
        if made.key not in children:
            yield _Sensor(made, turn, shift)
        waiting += [_Sensor(node, turn, shift) for node in reversed(children.get(made.key, []))]
    if seen < len(objects):
        raise ValueError("some objects are their own parents")


def _check_tree(objects: Sequence[_Object], children: dict[Key, list[_Object]]) -> None:
    """There is one root, and no two objects that could be the parents of the same ones."""
    for what in (
        lambda node: (node.parent, node.key),
        lambda node: node.key in children and node.key,
    ):
        count = Counter(filter(None, map(what, objects)))
        for node in objects:
            if count[what(node)] > 1:
                raise ValueError(f"line {node.line}: there are two {node.key[0]} {node.key[1]}")
    roots = sorted(children.keys() - {node.key for node in objects})
    if len(roots) != 1:
        named = ", ".join(f"{name} {number}" for name, number in roots[:4]) or "none"
        raise ValueError(f"must have one outermost object, but has {len(roots)}: {named}")


def _common_segment(leaves: Sequence[_Object]) -> Segment:
    """The sensor, which must be the same for all leaves."""
    first = leaves[0]
    for leaf in leaves:
        if leaf.key[0] != first.key[0]:
            raise ValueError(
                f"line {leaf.line}: {leaf.key[0]} beside {first.key[0]}: "
                "detectors of several kinds of sensors make no stack"
            )
    segment = find_segment(first.key[0])
    if segment is None:
        raise ValueError(f"line {first.line}: the sensor {first.key[0]!r} is not known")
    return segment
