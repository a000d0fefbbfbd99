"""Finished jobs of earlier runs: what is as it would be made now stays, the rest is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.pictures import made_result

from spring_mpi.campaign import version_0_1_0
from spring_mpi.campaign.beginning import engine_words
from spring_mpi.campaign.earlier import judge
from spring_mpi.campaign.past import Past
from spring_mpi.campaign.plan import Plan
from spring_mpi.campaign.recipe import digest, fingerprint
from spring_mpi.campaign.resume import resume
from spring_mpi.config.sections import Config
from spring_mpi.engine.requirements import REVISION as ENGINE
from spring_mpi.errors import ConfigError
from spring_mpi.events import build_index
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.result import Result
from spring_mpi.rundir.lines import JobLine, MessageLine
from spring_mpi.rundir.paths import RunDirectory

TEXT = """
name: c
data: {reader: simulate, source: "events=2:seed=1"}
pattern: {cropsize: 256, size: 64}
"""


class Earlier:
    """A run directory whose first job is done, by a recipe that differs in some parts."""

    def __init__(self, load: Callable[..., Config], folder: Path) -> None:
        self._load, self.rundir = load, RunDirectory(folder / "run")
        self.rundir.create()
        self.plan = self.planned()
        self.name = next(iter(self.plan.numbers))

    def planned(self, *overrides: str) -> Plan:
        """The plan, with another config."""
        index = build_index("events=2:seed=1", reader="simulate")
        return Plan(self._load(TEXT, *overrides), index, self.rundir.path)

    def done(self, **parts: Any) -> Past:
        """Write the journal; its past."""
        made = self.plan.blueprint(self.name)
        parts = json.loads(json.dumps(dict(made.recipe.parts) | parts))
        self._write(
            {"recipe": digest(parts), "parts": parts},
            {"job": self.name, "state": "done", "worker": 1, "attempt": 1, "error": 0.1,
             "resolution_px": None, "support_px": 9, "seconds": 1.0,
             "fingerprint": fingerprint(digest(parts), made.event)},
        )  # fmt: skip
        (self.rundir.path / self.plan.result_file(self.name)).write_bytes(b"")
        return Past.read(self.rundir.journal)

    def _write(self, *lines: dict[str, Any]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in ({"start": 1}, *lines, {"exit": 0}))
        self.rundir.journal.write_text(text)


@pytest.fixture
def earlier(load: Callable[..., Config], tmp_path: Path) -> Earlier:
    return Earlier(load, tmp_path)


def test_what_is_alike_stays(earlier: Earlier) -> None:
    """Nothing is said of it."""
    resumption = resume(earlier.plan, earlier.done(), earlier.rundir)
    assert [(one.name, one.remark) for one in resumption.ended] == [(earlier.name, "")]
    assert not resumption.earlier.renewed


def test_results_of_another_engine_stay_and_are_marked(earlier: Earlier) -> None:
    """They are what that engine made of the same pattern; so the next run finds them, too."""
    resumption = resume(earlier.plan, earlier.done(engine=0), earlier.rundir)
    assert [one.remark for one in resumption.ended] == ["made by engine revision 0"]
    (line,) = resumption.earlier.renewed.values()
    assert line.fingerprint == earlier.plan.fingerprint(earlier.name)


def test_the_mark_stays_through_further_revisions(
    earlier: Earlier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result keeps the revision that made it, however often it stays; and may be made again."""
    (line,) = resume(earlier.plan, earlier.done(engine=0), earlier.rundir).earlier.renewed.values()
    past = earlier.done()
    past.jobs[earlier.name] = line
    monkeypatch.setattr("spring_mpi.campaign.recipe.ENGINE", ENGINE + 1)
    monkeypatch.setattr("spring_mpi.campaign.earlier.ENGINE", ENGINE + 1)
    resumption = resume(earlier.planned(), past, earlier.rundir)
    assert [one.remark for one in resumption.ended] == ["made by engine revision 0"]
    assert list(resumption.queue.outdated) == [earlier.name]
    assert resumption.earlier.renewed[earlier.name].fingerprint != line.fingerprint
    warning = engine_words(resumption, "runs/c")
    assert warning.startswith("1 results here are of an earlier revision of the engine and stay")
    assert warning.endswith("spring-ctl runs/c retry '*'")


def test_a_result_of_before_is_not_that_of_a_job_made_again(
    earlier: Earlier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends while it makes a job again leaves it to the next one."""
    past = earlier.done()
    line = past.jobs.pop(earlier.name)
    monkeypatch.setattr("spring_mpi.campaign.resume.is_as_now", lambda *_: True)
    monkeypatch.setattr("spring_mpi.campaign.resume._result", lambda *_: earlier_result())
    running = replace(line, outcome=Outcome(earlier.name, state=State.RUNNING), fingerprint="")
    past.jobs[earlier.name] = running
    (adopted,) = resume(earlier.plan, past, earlier.rundir).adopted
    assert adopted.outcome.remark == f"made by engine revision {version_0_1_0.ENGINE}"
    past.again.add(earlier.name)
    assert not resume(earlier.plan, past, earlier.rundir).adopted


def earlier_result() -> Result:
    """One whose fingerprint is not today's."""
    return made_result().with_provenance(fingerprint="former")


def test_what_people_let_run_again(earlier: Earlier) -> None:
    """The journal tells it by their message."""
    past = earlier.done()
    record = JobLine(Outcome(earlier.name, state=State.WAITING), attempt=0)
    past._take(
        MessageLine(id="m", sender="me", verb="retry", reply=(), refused=False, records=(record,))
    )
    assert past.again == {earlier.name}
    assert past.jobs[earlier.name].state is State.WAITING


def test_results_that_cannot_be_compared_are_told(earlier: Earlier) -> None:
    """A result of another preparation that is no result file: with the reason, and what to do."""
    with pytest.raises(ConfigError, match=r"it cannot be compared: .*is not a result file") as told:
        resume(earlier.plan, earlier.done(preparation=1), earlier.rundir)
    assert "--keep" in str(told.value)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"seed": 7}, "seed: 7 -> 1"),
        ({"content of mask.npy": ["00"], "engine": 0}, ""),
        ({"settings.SW.threshold": 0.2}, "settings.SW.threshold: 0.2 -> 0.1"),
        ({"settings.SW.gone": 1}, "settings.SW.gone: 1 -> none"),
        ({"pattern.satvalue": 5.0}, "pattern.satvalue: 5.0 -> none"),
    ],
)
def test_a_change_is_refused_with_its_name(
    earlier: Earlier, parts: dict[str, float | list[str]], reason: str
) -> None:
    """Nothing but what changed is named."""
    past = earlier.done(**parts)
    present = earlier.rundir.results_present()
    with pytest.raises(ConfigError) as told:
        judge(earlier.plan, past, present, earlier.rundir)
    first, *changes, last = str(told.value).splitlines()
    assert first.startswith(f"{earlier.name} is already done in {earlier.rundir.path}")
    assert [change.strip() for change in changes][:1] == [reason or f"engine: 0 -> {ENGINE}"]
    assert last == "start anew with --fresh, or choose another output"


def test_a_job_whose_result_is_gone_is_no_matter(earlier: Earlier) -> None:
    """It is done again, by whatever recipe."""
    past = earlier.done(seed=7)
    assert not judge(earlier.plan, past, set(), earlier.rundir).renewed
