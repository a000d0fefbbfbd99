"""Random particles as volumes: another one for every seed, of ten kinds.

A particle is a function on the unit ball; its voxels hold the share of them that lies inside, so
that edges are smooth to a fraction of a voxel. Axes are (row, column, depth), the beam is along
depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Generator = np.random.Generator
VOXELS = 112
"""Along each side of a volume."""
HALF_SIDE = 1.15
"""Of a volume, in radii of the ball that particles are drawn in."""
_STEEPEST_TILT = 0.9
"""Of flat particles against the plane across the beam, radians."""


class Space:
    """The points of a volume in the particle's own, turned axes; lengths in radii of its ball."""

    def __init__(self, rotation: NDArray[np.float64]) -> None:
        axis = np.linspace(-HALF_SIDE, HALF_SIDE, VOXELS, dtype=np.float32)
        self.voxel = float(axis[1] - axis[0])
        lab = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
        self.points: list[Values] = [_weighted(row, lab) for row in rotation]

    def share(self, depth: Values) -> Values:
        """The share of every voxel that is inside, from the depth below the surface."""
        return np.asarray(np.clip(depth / np.float32(self.voxel) + np.float32(0.5), 0, 1))

    def distance(self, centre: NDArray[np.float64] | tuple[float, ...] = (0, 0, 0)) -> Values:
        """Of every point from a centre."""
        offsets = [
            part - np.float32(place) for part, place in zip(self.points, centre, strict=True)
        ]
        return _length(offsets)

    def height(self, direction: NDArray[np.float64]) -> Values:
        """Of every point along a direction."""
        return _weighted(direction, self.points)


def _weighted(factors: NDArray[np.float64], parts: Sequence[Values]) -> Values:
    """The sum of parts times factors."""
    total: Values = np.zeros((), np.float32)
    for factor, part in zip(factors, parts, strict=True):
        total = total + np.float32(factor) * part
    return total


def _length(parts: Sequence[Values]) -> Values:
    """Of vectors with those components."""
    total: Values = np.zeros((), np.float32)
    for part in parts:
        total = total + part**2
    return np.asarray(np.sqrt(total))


def volume(kind: str, random: Generator) -> Values:
    """A random particle of that kind, relative densities, (VOXELS, VOXELS, VOXELS)."""
    rotation = _tilted(random) if kind in FLAT else _rotation(random)
    return KINDS[kind](Space(rotation), random)


def _rotation(random: Generator) -> NDArray[np.float64]:
    """Any orientation, all alike probable."""
    orthogonal, upper = np.linalg.qr(random.normal(size=(3, 3)))
    turned: NDArray[np.float64] = orthogonal * np.sign(np.diag(upper))
    return turned


def _tilted(random: Generator) -> NDArray[np.float64]:
    """Any turn about the beam, and a limited tilt off it."""
    turn, tilt = random.uniform(0, 2 * np.pi), random.uniform(0, _STEEPEST_TILT)
    about_beam = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    off_axis = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    tilted: NDArray[np.float64] = off_axis @ about_beam
    return tilted


def _direction(random: Generator) -> NDArray[np.float64]:
    vector = random.normal(size=3)
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def _facets(space: Space, random: Generator, least: float) -> Values:
    """Depth in a convex body of 7 to 16 facets."""
    depth = np.float32(1) - space.distance()
    for _ in range(random.integers(7, 17)):
        reach = np.float32(random.uniform(least, 0.95))
        depth = np.minimum(depth, reach - space.height(_direction(random)))
    return depth


def _ellipsoid(space: Space, random: Generator, least: float) -> Values:
    """Depth, nearly, in an ellipsoid whose axes are at least that."""
    axes = [1.0, *random.uniform(least, 1.0, 2)]
    scaled = [part / np.float32(axis) for part, axis in zip(space.points, axes, strict=True)]
    return (np.float32(1) - _length(scaled)) * np.float32(min(axes))


def _bumps(space: Space, random: Generator, strength: float) -> Values:
    """Depth, nearly, in a ball whose radius changes smoothly with the direction."""
    distance = space.distance()
    radius = np.full(distance.shape, 0.72, np.float32)
    for _ in range(5):
        wave = np.float32(random.uniform(1.5, 4.0)) * space.height(_direction(random))
        angle = wave / np.maximum(distance, np.float32(0.05))
        height = np.float32(strength * random.uniform(0.3, 1.0))
        radius += height * np.cos(angle + np.float32(random.uniform(0, 2 * np.pi)))
    return np.minimum(radius, np.float32(1)) - distance


def polyhedron(space: Space, random: Generator) -> Values:
    """A convex body of flat facets."""
    return space.share(_facets(space, random, 0.5))


def spheroid(space: Space, random: Generator) -> Values:
    """An ellipsoid with axes of 0.45 to 1."""
    return space.share(_ellipsoid(space, random, 0.45))


def blob(space: Space, random: Generator) -> Values:
    """A smooth, lumpy body with a density that varies by a fifth within."""
    inside = space.share(_bumps(space, random, 0.12))
    wave = np.float32(random.uniform(2, 5)) * space.height(_direction(random))
    return np.asarray(inside * (1 + np.float32(0.2) * np.sin(wave)))


def cloud(space: Space, random: Generator) -> Values:
    """4 to 8 Gaussians that melt into one, evenly dense within, with a wide rim."""
    total = np.zeros(space.distance().shape, np.float32)
    for _ in range(random.integers(4, 9)):
        centre = _direction(random) * random.uniform(0, 0.6)
        width = np.float32(random.uniform(0.1, 0.22))
        height = np.float32(random.uniform(0.4, 1.0))
        total += height * np.exp(-((space.distance(centre) / width) ** 2) / 2)
    return np.asarray(np.clip((total - np.float32(0.2)) / np.float32(0.5), 0, 1))


def aggregate(space: Space, random: Generator) -> Values:
    """3 to 8 balls, each touching one before it, of densities that differ."""
    places, radii = [np.zeros(3)], [random.uniform(0.6, 1.2)]
    for _ in range(random.integers(2, 8)):
        other, radius = random.integers(len(places)), random.uniform(0.5, 1.2)
        places.append(places[other] + 0.9 * (radii[other] + radius) * _direction(random))
        radii.append(radius)
    middle = np.mean(places, axis=0)
    reach = max(
        np.linalg.norm(place - middle) + radius for place, radius in zip(places, radii, strict=True)
    )
    total: Values = np.zeros((VOXELS,) * 3, np.float32)
    for place, radius in zip(places, radii, strict=True):
        depth = np.float32(radius / reach) - space.distance((place - middle) / reach)
        total = np.maximum(total, np.float32(random.uniform(0.7, 1.3)) * space.share(depth))
    return total


def _outer(space: Space, random: Generator) -> Values:
    """The share inside of one of the compact bodies, none of them very flat."""
    body = random.integers(3)
    if body == 0:
        return space.share(_facets(space, random, 0.7))
    if body == 1:
        return space.share(_ellipsoid(space, random, 0.75))
    return space.share(_bumps(space, random, 0.06))


def _inner(space: Space, random: Generator, low: float, high: float) -> Values:
    """The share inside of a small ellipsoid, off the middle."""
    centre = _direction(random) * random.uniform(0, 0.15)
    radius = np.float32(random.uniform(low, high))
    along = space.height(_direction(random)) * np.float32(random.uniform(0, 0.25))
    return space.share(radius - space.distance(centre) - along * radius)


def hollow(space: Space, random: Generator) -> Values:
    """A body with an empty, or nearly empty, room within."""
    left = np.float32(random.choice([0.0, 0.0, random.uniform(0, 0.3)]))
    return _outer(space, random) * (1 - (1 - left) * _inner(space, random, 0.38, 0.62))


def core_shell(space: Space, random: Generator) -> Values:
    """A body with a core that is 1.5 to 3 times as dense."""
    more = np.float32(random.uniform(0.5, 2.0))
    return _outer(space, random) * (1 + more * _inner(space, random, 0.3, 0.55))


def branched(space: Space, random: Generator) -> Values:
    """3 to 6 arms from one middle, half of them forked."""
    total: Values = np.zeros((VOXELS,) * 3, np.float32)
    radius = random.uniform(0.08, 0.14)
    for _ in range(random.integers(3, 7)):
        direction, start = _direction(random), np.zeros(3)
        end = direction * random.uniform(0.5, 0.95)
        total = np.maximum(total, space.share(_rod(space, start, end, radius)))
        if random.random() < 0.5:
            start = end * random.uniform(0.4, 0.7)
            tip = start + 0.4 * _direction(random)
            tip *= min(1.0, 0.95 / float(np.linalg.norm(tip)))
            total = np.maximum(total, space.share(_rod(space, start, tip, 0.8 * radius)))
    return total


def _rod(
    space: Space, start: NDArray[np.float64], end: NDArray[np.float64], radius: float
) -> Values:
    """Depth in a rod with round ends."""
    line = end - start
    length = float(np.linalg.norm(line))
    along = space.height(line / length) - np.float32(start @ line / length)
    beyond = along - np.clip(along, 0, np.float32(length))
    across = np.maximum(space.distance(start) ** 2 - along**2, 0)
    return np.asarray(np.float32(radius) - np.sqrt(across + beyond**2))


def _outline(space: Space, corners: NDArray[np.float64]) -> Values:
    """Depth within a convex polygon in the particle's first two axes."""
    depth: Values = np.full((VOXELS,) * 3, np.inf, np.float32)
    for first, second in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        side = second - first
        normal = np.array([side[1], -side[0], 0.0]) / np.linalg.norm(side)
        depth = np.minimum(depth, np.float32(normal[:2] @ first) - space.height(normal))
    return depth


def _corners(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    corners: NDArray[np.float64] = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 0.95
    return corners


def triangle(space: Space, random: Generator) -> Values:
    """A flat triangle that thins out towards its edges."""
    angles = np.array([0, 2 * np.pi / 3, 4 * np.pi / 3]) + random.uniform(-0.35, 0.35, 3)
    depth = _outline(space, _corners(angles))
    slope, edge = random.uniform(0.3, 0.9), random.uniform(0.0, 0.04)
    thickness = np.minimum(np.float32(slope) * depth + np.float32(edge), np.float32(0.3))
    return space.share(np.minimum(depth, thickness - np.abs(space.points[2])))


def prism(space: Space, random: Generator) -> Values:
    """A prism over a polygon of 3 to 6 corners, thick or flat, any way round."""
    count = int(random.integers(3, 7))
    angles = 2 * np.pi * (np.arange(count) + random.uniform(-0.15, 0.15, count)) / count
    depth = _outline(space, _corners(angles))
    half = np.float32(random.uniform(0.2, 0.8))
    return space.share(np.minimum(depth, half - np.abs(space.points[2])))


KINDS: dict[str, Callable[[Space, Generator], Values]] = {
    kind.__name__: kind
    for kind in (
        polyhedron, spheroid, blob, cloud, aggregate, hollow, core_shell, branched, triangle, prism,
    )
}  # fmt: skip
FLAT = ("triangle",)
