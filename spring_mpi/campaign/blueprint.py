"""What a job is made from: event, preparation, and how its pattern is reconstructed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..engine.requirements import can_share
from ..events.event import EventRef
from ..events.reading.calibration import Calibration
from ..model.settings import Settings
from .recipe import Recipe


@dataclass(frozen=True)
class Course:
    """How a pattern is reconstructed, and what that makes of a result's fingerprint."""

    settings: Settings
    recipe: Recipe

    @property
    def kind(self) -> str | None:
        """See `Plan.kind`."""
        return self.recipe.digest if can_share(self.settings) else None


@dataclass(frozen=True)
class Blueprint:
    """What a job is made from."""

    tag: str
    event: EventRef
    calibration: Calibration
    cropsize: int
    size: int
    settings: Settings
    seed: int
    recipe: Recipe
    full: Course | None = None
    """Of the full job that follows a quick one whose result is doubtful; None: none does."""

    @property
    def fingerprint(self) -> str:
        """Digest of what the result depends on."""
        return self.recipe.fingerprint(self.event)

    @property
    def former_fingerprint(self) -> str:
        """The same by the rule of version 0.1.0; empty where there is none."""
        return self.recipe.former_fingerprint(self.event)

    def of_full_job(self) -> Blueprint:
        """Of the full job that follows a quick one."""
        assert self.full is not None
        return replace(self, settings=self.full.settings, recipe=self.full.recipe, full=None)
