"""Laws of the contact sheet: a cell for every job, in order, whatever became of it."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import cast

import numpy as np
import pytest
from helpers.pictures import made_result, texts
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from spring_mpi.model.orientation import Oriented
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.result import Result
from spring_mpi.model.verdict import Verdict
from spring_mpi.view import contact_sheet
from spring_mpi.view.look import VERDICTS
from spring_mpi.view.sheet import _round_length


@pytest.fixture
def result() -> Result:
    """A result of 32 x 32 pixels."""
    return made_result()


def test_sheet_captions_in_order(result: Result) -> None:
    """Every result has its name, verdict, error and resolution, in the order given."""
    figure = contact_sheet(
        map(Oriented, [result, replace(result, name="b", error=0.5, resolution_px=None)])
    )
    assert [text for text in texts(figure) if not text.endswith(" px") or "error" in text] == [
        "71-1-145-a:$5", "good 0.87, error 0.0432, resolution 3.20 px",
        "b", "good 0.87, error 0.5000, no resolution",
    ]  # fmt: skip


def test_verdicts_have_a_word_and_a_mark(result: Result) -> None:
    """The word says it alone; the first reason stands below it."""
    doubtful = replace(result, verdict=Verdict.DOUBTFUL, score=0.41, reasons=("dim", "two parts"))
    unjudged = replace(result, verdict=None, score=math.nan, resolution_px=None)
    figure = contact_sheet(map(Oriented, [result, doubtful, unjudged]))
    told = texts(figure)
    assert {"doubtful 0.41, error 0.0432", "dim; and 1 more"} < set(told)
    assert "not judged, error 0.0432" in told
    marks = [mark.get_facecolor() for mark in figure.findobj(Rectangle)]
    assert {to_rgba(VERDICTS[verdict]) for verdict in (Verdict.GOOD, Verdict.DOUBTFUL, None)} < {
        *marks
    }


def test_texts_below_pictures_do_not_overlap(result: Result) -> None:
    """Name, caption and notes stand below each other, and above the next row of pictures."""
    judged = replace(result, reasons=("not centrosymmetric " * 30,))
    figure = contact_sheet([Oriented(judged, "turned " * 30)] * 4)
    figure.canvas.draw()
    told = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text()]
    pictures = [image.get_window_extent() for image in figure.axes[0].images]
    below = [box for box in told if not any(box.overlaps(picture) for picture in pictures)]
    assert len(below) == 4 * 3
    assert not any(one.overlaps(other) for one, other in combinations(below, 2))


def test_sheet_says_why_a_result_is_missing(result: Result) -> None:
    """A missing result has a cell with its name and reason, and no picture."""
    alone = contact_sheet([Outcome("71-2", state=State.FAILED, reason="no photons")])
    assert texts(alone) == ["failed: no photons", "71-2", "no result"]
    assert [len(alone.axes[0].images), len(contact_sheet([Oriented(result)]).axes[0].images)] == [
        0,
        2,
    ]


def test_sheet_is_a_grid(result: Result) -> None:
    """Cells do not overlap, lie inside the axes, and no row has more than ten."""
    axes = contact_sheet([Oriented(result)] * 23).axes[0]
    densities = axes.images[::2]
    corners = [(image.get_extent()[0], image.get_extent()[3]) for image in densities]
    assert (len(corners), len(set(corners))) == (23, 23)
    assert corners == sorted(corners, key=lambda corner: corner[::-1])
    steps = [np.diff(sorted({corner[axis] for corner in corners})).min() for axis in (0, 1)]
    assert (steps[0] > 2, steps[1] > 1.25) == (True, True)  # two thumbnails, and their caption
    assert max(image.get_extent()[1] for image in axes.images) <= axes.get_xlim()[1]
    assert max(image.get_extent()[2] for image in axes.images) <= axes.get_ylim()[0]
    wide = contact_sheet([Outcome(str(number), state=State.FAILED) for number in range(200)]).axes[
        0
    ]
    assert len({cast(Rectangle, patch).get_x() for patch in wide.patches}) == 10


def test_sheet_keeps_thumbnails_alone(result: Result) -> None:
    """Large images are reduced before they are kept, and entries are taken one by one."""
    large = replace(
        result,
        intensity=np.ones((300, 300), np.float32),
        mask=np.zeros((300, 300), np.uint8),
        data=np.ones((300, 300), np.float32),
        support=np.ones((300, 300), np.uint8),
    )
    images = contact_sheet(Oriented(large) for _ in range(2)).axes[0].images
    assert [image.get_array().shape for image in images] == [(100, 100, 4)] * 4


@given(st.floats(0.01, 1e5))
def test_scale_bars_are_round(most: float) -> None:
    """A bar is 1, 2 or 5 times a power of ten, not above its bound and over a third of it."""
    length = _round_length(most)
    assert str(length).rstrip("0") in {"1", "2", "5"}
    assert max(most, 1) / 3 < length <= max(most, 1)


def test_long_names_keep_both_ends(result: Result) -> None:
    """A name that does not fit loses its middle: run and tag stay readable."""
    name = "71-1-145-" + "x" * 50 + "-suppsize:90"
    (shown,) = (
        text for text in texts(contact_sheet([Oriented(replace(result, name=name))])) if "…" in text
    )
    assert (shown[:9], shown[-12:]) == ("71-1-145-", "-suppsize:90")
    assert len(shown) <= 36
