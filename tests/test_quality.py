"""The engine on simulated patterns whose truth is known: a few fixed ones of each sort."""

from __future__ import annotations

import pytest
from known_truth.hard import GENERATIONS, hard_sample, memetic
from known_truth.runs import Search, row_of
from known_truth.sample import sample
from known_truth.scores import scores

SEED = 50_000
EASY = [("standard", SEED), ("standard", SEED + 1), ("dim", SEED), ("double_fit", SEED + 1)]
WRONG_DATA = [("blank", SEED + 1), ("polarity", SEED + 1), ("centre", SEED + 1)]


@pytest.mark.parametrize(("fault", "seed"), EASY)
def test_what_is_easy_is_right(fault: str, seed: int) -> None:
    row = row_of(sample(fault, seed), Search())
    assert row["right"]
    assert row["verdict"] != "bad"


@pytest.mark.parametrize(("fault", "seed"), WRONG_DATA)
def test_of_wrong_data_nothing_is_called_good(fault: str, seed: int) -> None:
    row = row_of(sample(fault, seed), Search())
    assert not row["right"]
    assert row["verdict"] != "good"
    assert row["reasons"]


@pytest.mark.parametrize("number", [4, 6])
def test_some_hard_ones_are_right_after_a_few_generations(number: int) -> None:
    known = hard_sample(number)
    assert scores(memetic(known, 1, GENERATIONS), known.truth, known.hole_edge).right
