"""A pattern and a result to draw, and what a figure says."""

from __future__ import annotations

import numpy as np
from helpers.physics import disc, lumps, settings_of
from matplotlib.figure import Figure
from matplotlib.text import Text

from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Provenance, Result
from spring_mpi.model.verdict import Verdict

SIZE = 32
PNG = b"\x89PNG\r\n\x1a\n"


def made_pattern() -> Pattern:
    """Sixteen pixels masked, one saturated."""
    frame = 1e4 * np.abs(np.fft.fftshift(np.fft.fft2(lumps(SIZE), norm="ortho"))) ** 2
    mask = np.zeros((SIZE, SIZE), bool)
    mask[10, :16] = True
    return Pattern(frame, mask, (16, 16), (71, 1, 145), satvalue=0.99 * frame.max())


def made_result() -> Result:
    """A result with a ring correlation, and one setting that is not the default's."""
    pattern, density = made_pattern(), lumps(SIZE).astype(np.float32)
    support = disc(SIZE, 18)
    return Result(
        name="71-1-145-a:$5",
        pid=(71, 1, 145),
        tag="a:$5",
        data=density,
        support=support.astype(np.uint8),
        best=density,
        std=0.1 * density,
        support_frequency=support.astype(np.float32),
        intensity=pattern.intensity,
        mask=(~pattern.measured).astype(np.uint8),
        error=0.04321,
        error_history=np.array([[np.inf, 0.5, 0.9], [0.2, 0.3, 0.04]], np.float32),
        prtf=np.array([np.nan, *np.linspace(1, 0, SIZE // 2 - 1)]),
        ring_correlation=np.linspace(1, 0, SIZE // 2),
        resolution_px=3.2,
        members=5,
        settings=settings_of(init__supportsize=18),
        provenance=Provenance(warnings=("the centre is off",)),
        verdict=Verdict.GOOD,
        score=0.874,
        is_interior_determined=True,
        generations_run=(5, 4, 4),
        agreement=np.array([np.nan, *np.linspace(1, 0, SIZE // 2 - 1)]),
        sigma=0.2 * density,
    )


def texts(figure: Figure) -> list[str]:
    """All that a figure says."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]
