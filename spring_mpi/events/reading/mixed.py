"""Events whose parts are of different detectors make no frame."""

from __future__ import annotations

from ...errors import SourceError
from ...model.names import pid_text
from ..event import EventRef, Part
from ..formats.reader import Extent
from ..formats.registry import facts_of


def refuse_mixed_event(ref: EventRef) -> None:
    """Raises `SourceError` where the event has parts of several detectors."""
    if len(ref.parts) == 1:
        return
    found: dict[str, Part] = {}
    for part in ref.parts:
        if (facts := facts_of(part.source.reader)).extent is Extent.RUN:
            found.setdefault(facts.detector_of(part.dataset), part)
    if len(found) > 1:
        named = " and ".join(f"{name} ({part.source.path})" for name, part in found.items())
        raise SourceError(
            f"event {pid_text(ref.pid)} has frames of {len(found)} detectors, {named}: name the "
            "one that is meant (dataset)"
        )
