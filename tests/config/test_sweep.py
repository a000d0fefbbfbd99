"""Laws of sweeps: the product in order, a tag for each variant, no tag twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.config.sweep import Sweep, Variant, format_tag
from spring_mpi.errors import SettingsError
from spring_mpi.model.settings import Settings


def fault_of(sweep: Sweep) -> str:
    """Why the sweep has no variants."""
    with pytest.raises(SettingsError) as caught:
        sweep.variants(Settings())
    return str(caught.value)


def test_no_sweep_is_one_variant_without_a_tag() -> None:
    """Where nothing is swept there is one variant, the settings themselves."""
    settings = Settings().set("IA", "it", 9)
    assert Sweep().variants(settings) == (Variant("", settings),)


SIZES = st.lists(st.integers(2, 99), min_size=1, max_size=4, unique=True)


@given(SIZES, SIZES)
def test_variants_are_the_product_with_the_last_key_fastest(
    sizes: list[int], its: list[int]
) -> None:
    """Variants come in the order of nested loops, the last key innermost."""
    sweep = Sweep(over=(("init.supportsize", tuple(sizes)), ("IA.it", tuple(its))))
    made = [(v.settings.init.supportsize, v.settings.IA.it) for v in sweep.variants(Settings())]
    assert made == list(itertools.product(sizes, its))


def test_default_tag_names_the_swept_keys() -> None:
    """Without a template the tag is key:value for each swept key."""
    sweep = Sweep(over=(("init.supportsize", (80,)), ("DE.align", (True, False))))
    actual = [variant.tag for variant in sweep.variants(Settings())]
    assert actual == ["supportsize:80,align:true", "supportsize:80,align:false"]


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("suppsize:{init.supportsize}", "suppsize:60"),
        ("{init.gamma}/{SW.area}", "0.5/null"),
        ("{SW.sigma_start}", "3"),
        ("{init.supportsize:04d}-{{x}}", "0060-{x}"),
    ],
)
def test_a_template_shows_effective_settings(template: str, tag: str) -> None:
    """Fields are replaced by the settings' values, floats in their shortest form."""
    assert format_tag(template, Settings()) == tag


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{init.supsize}", "no setting 'init.supsize'; did you mean 'init.supportsize'?"),
        ("{global.gpus}", "no setting 'global.gpus'"),
        ("{init.gamma", "'{init.gamma' is no format string: expected '}' before end of string"),
        ("{init.items:q}", "{init.items:q} does not fit 5: Unknown format code 'q' for object of "
                           "type 'int'"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused(template: str, message: str) -> None:
    """A template that cannot be filled is told with its reason."""
    assert fault_of(Sweep(tag=template))[: len(message)] == message


def test_equal_tags_name_both_variants() -> None:
    """Two variants with the same tag are refused, both named."""
    sweep = Sweep(tag="a", over=(("IA.it", (1, 2)),))
    assert fault_of(sweep) == "variant 1 ('a') and variant 2 ('a') have the same tag"


def test_tags_are_equal_when_their_file_names_are() -> None:
    """Tags that differ only in what a file name cannot hold are the same."""
    names = Sweep(over=(("IA.sequence", ("ER*2", "ER:2")),))
    assert fault_of(names) == (
        "variant 1 ('sequence:ER*2') and variant 2 ('sequence:ER:2') have the same tag"
    )


def test_the_settings_swept_over_stay_as_they_are() -> None:
    """Making variants changes nothing in the settings they are made from."""
    settings = Settings()
    Sweep(over=(("IA.it", (1, 2)),)).variants(settings)
    assert (settings, settings.given) == (Settings(), frozenset())
