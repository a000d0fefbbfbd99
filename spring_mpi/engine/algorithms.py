"""Real-space updates: ER, HIO, RAAR and DM as one rule.

With x the iterate and q its projection onto the data, a pixel becomes q where it lies inside the
support and the constraint holds, and ``a x + b q`` elsewhere. The constraint is tested on q (ER,
HIO) or on the reflection 2q - x (RAAR, DM).

ER and HIO: Fienup, Appl. Opt. 21, 2758 (1982). RAAR: Luke, Inverse Problems 21, 37 (2005).
DM: Elser, J. Opt. Soc. Am. A 20, 40 (2003), at beta = 1, where it needs one projection onto the
data in an iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..model.settings import IA


@dataclass(frozen=True)
class Rule:
    """The update of one algorithm: outside, x becomes ``a x + b q``."""

    a: float
    b: float
    reflected: bool
    """Test the constraint on 2q - x instead of q."""


ALGORITHMS: Mapping[str, Callable[[IA], Rule]] = {
    "ER": lambda settings: Rule(0.0, 0.0, reflected=False),
    "HIO": lambda settings: Rule(1.0, -settings.beta_hio, reflected=False),
    "RAAR": lambda settings: Rule(
        settings.beta_raar, 1.0 - 2.0 * settings.beta_raar, reflected=True
    ),
    "DM": lambda settings: Rule(1.0, -1.0, reflected=True),
}
"""What a sequence may name, and the rule of each with the relaxations of the settings."""


def rule(algorithm: str, settings: IA) -> Rule:
    """The rule of one of the `ALGORITHMS`."""
    return ALGORITHMS[algorithm](settings)
