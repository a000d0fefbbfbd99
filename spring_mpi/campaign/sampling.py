"""A few events that are looked at before a campaign begins."""

from __future__ import annotations

from ..events.calibration import Calibrator
from ..events.loader import Loader
from ..events.readers import WITHOUT_FILE
from ..events.source import EventRef
from ..events.suspects import Suspects, find_suspects
from .plan import Plan

_EVENTS, _EVENTS_IN_TURN = 8, 2


def sampled(plan: Plan) -> list[EventRef]:
    """Events spread over the selection; its first ones where others are slow to reach, or new."""
    count = len(plan.positions)
    in_turn = plan.config.data.follow is not None or plan.config.data.reader in WITHOUT_FILE
    most = min(count, _EVENTS_IN_TURN if in_turn else _EVENTS)
    steps = (
        range(most) if in_turn else (one * (count - 1) // max(most - 1, 1) for one in range(most))
    )
    return [plan.index.ref(int(plan.positions[step])) for step in steps]


def suspects_of(plan: Plan) -> Suspects:
    """Raw values that look like marks of bad pixels and count as measured.

    Raises
    ------
    SourceError
        If a mask or the geometry cannot be read.
    """
    with Loader() as loader:
        return find_suspects(sampled(plan), Calibrator(plan.calibration, loader), loader)
