"""Jobs that people add: what a request without a tag is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from spring_mpi.campaign.added import blueprint, requested
from spring_mpi.campaign.blueprint import Blueprint
from spring_mpi.campaign.plan import Plan
from spring_mpi.config.sections import Config
from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.model.names import file_name

TEXT = """
name: c
data: {reader: simulate, source: "events=2:seed=1"}
pattern: {cropsize: 256, size: 64}
settings: {init: {supportsize: 24}}
sweep: {over: {init.shape: [disc]}}
"""


@pytest.fixture
def plan(load: Callable[..., Config], tmp_path: Path) -> Plan:
    return Plan(load(TEXT), build_index("events=2:seed=1", reader="simulate"), tmp_path)


def added(plan: Plan, changes: Mapping[str, object], tag: str = "") -> tuple[str, Blueprint]:
    """Name and blueprint of one more job of the first event."""
    (one,) = plan.index.pids[:1].tolist()
    pid = "-".join(map(str, one))
    ((name, request),) = requested(plan, {"jobs": [pid], "tag": tag, "set": changes})
    return name.removeprefix(f"{pid}-"), blueprint(plan, request)


def test_settings_make_the_tag(plan: Plan) -> None:
    """It says what was set, values as the config writes them."""
    changes = {"IA.beta_raar": 0.80, "init.supportsize": 20, "SW.area": None, "DE.align": False}
    tag, made = added(plan, changes)
    assert tag == made.tag == "beta_raar=0.8,supportsize=20,area=null,align=false"
    assert made.settings.get("IA", "beta_raar") == 0.8


def test_a_tag_that_is_given_stays(plan: Plan) -> None:
    assert added(plan, {"init.supportsize": 20}, tag="wide")[0] == "wide"


def test_a_tag_is_a_file_name_of_its_own(plan: Plan) -> None:
    """Odd characters are replaced; a long one is cut, and two that differ at the end stay two."""
    tags = [
        added(plan, {"IA.it": 5, "IA.sequence": " ".join(["HIO*1"] * 30 + [last])})[0]
        for last in ("ER*1", "ER*1 ER*1")
    ]
    assert all(tag == file_name(tag) and len(tag) <= 80 for tag in tags)
    assert tags[0] != tags[1]
    assert tags[0].startswith("it=5,sequence=HIO_1_HIO_1")


def test_a_job_is_no_event(plan: Plan) -> None:
    """A job's name with other settings is refused, and what is wanted is said."""
    name = next(iter(plan.names()))
    with pytest.raises(SourceError, match="is a job: give its event's pid"):
        requested(plan, {"jobs": [name], "tag": "", "set": {"init.supportsize": 20}})
