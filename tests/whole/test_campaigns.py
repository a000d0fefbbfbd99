"""Whole campaigns: the same results however they are run, interrupted or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import Campaign, assert_same_results, make_campaign


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A finished campaign of one process; the measure of all others."""
    campaign = make_campaign(tmp_path_factory.mktemp("alone"), {})
    code, output = campaign.run()
    assert code == 0, output
    return campaign


def test_finished_campaign_is_complete(alone: Campaign) -> None:
    """Results, journal, summary, status and log agree that every job is done."""
    names = sorted(alone.in_state("done"))
    assert len(names) == 4
    assert sorted(alone.results()) == [f"{name}.h5" for name in names]
    rows = alone.summary()
    assert sorted(rows) == names
    assert {row["file"] for row in rows.values()} == {f"results/{name}.h5" for name in names}
    status = json.loads((alone.rundir / "status.json").read_text())
    assert (status["state"], status["exit"], status["counts"]["done"]) == ("done", 0, 4)
    assert alone.log().splitlines()[-1].endswith("exit 0")


def test_second_run_does_nothing(alone: Campaign) -> None:
    """A finished campaign stays as it is, and says that it is done."""
    before = alone.results()
    code, output = alone.run()
    assert (code, alone.results()) == (0, before)
    assert "4 of 4 jobs (1 variants of the settings) are done, 0 are left" in output


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_any_number_of_ranks(
    small_mpi: Callable[..., Campaign], alone: Campaign, ranks: int
) -> None:
    """Results are bitwise those of one process."""
    campaign = small_mpi()
    code, output = campaign.run(ranks=ranks)
    assert code == 0, output
    assert_same_results(campaign, alone)


def test_local_workers(small: Callable[..., Campaign], alone: Campaign) -> None:
    """Several local workers give bitwise the same results."""
    campaign = small()
    code, output = campaign.run("--workers", "2")
    assert code == 0, output
    assert_same_results(campaign, alone)


def test_interrupted_and_resumed(small: Callable[..., Campaign], alone: Campaign) -> None:
    """A campaign stopped after its first job and run again ends bitwise the same."""
    campaign = small()
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("done"), process)
    process.terminate()
    process.communicate()
    code, output = campaign.run()
    assert code == 0, output
    assert_same_results(campaign, alone)


def test_no_mpi_is_imported(tmp_path: Path, small: Callable[..., Campaign]) -> None:
    """Alone, the campaign runs where importing mpi4py is impossible."""
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')\n")
    campaign = small()
    command = [sys.executable, "-m", "spring_mpi.cli.batch", str(campaign.config)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": ""}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_sweep_and_order(small: Callable[..., Campaign]) -> None:
    """Events outer, variants inner; the tag is in name, file and result."""
    campaign = small(
        events={"pids": ["71-1-14546865407", "197-10-14558540587"]},
        sweep={"tag": "suppsize:{init.supportsize}", "over": {"init.supportsize": [24, 30]}},
    )
    code, output = campaign.run()
    assert code == 0, output
    assert campaign.in_state("running") == [
        "71-1-14546865407-suppsize:24",
        "71-1-14546865407-suppsize:30",
        "197-10-14558540587-suppsize:24",
        "197-10-14558540587-suppsize:30",
    ]
    assert "71-1-14546865407-suppsize_24.h5" in campaign.results()
    assert [row["init.supportsize"] for row in campaign.summary().values()] == ["24", "30"] * 2


def test_changed_settings_are_refused(small: Callable[..., Campaign]) -> None:
    """A finished campaign with other settings is refused with the change; --fresh starts anew."""
    campaign = small(events={"slice": "0:1"})
    assert campaign.run()[0] == 0
    change = ("--set", "settings.SW.threshold=0.2")
    code, output = campaign.run(*change)
    assert code == 2
    assert "settings.SW.threshold: 0.1 -> 0.2" in output
    assert "--fresh" in output
    code, output = campaign.run(*change, "--fresh")
    assert code == 0, output
    assert len(list(campaign.rundir.parent.glob("run.*"))) == 1


def test_new_events_are_added(small: Callable[..., Campaign]) -> None:
    """More events, other retries: only the new jobs run."""
    campaign = small(events={"slice": "0:2"})
    assert campaign.run()[0] == 0
    before = campaign.results()
    code, output = campaign.run("--set", "events.slice=0:3", "--set", "workers.retries=0")
    assert code == 0, output
    assert len(campaign.results()) == 3
    assert before.items() <= campaign.results().items()


def test_new_files_are_indexed(small: Callable[..., Campaign], tmp_path: Path) -> None:
    """Files that match since the last run bring new events; the old results stay."""
    from spring_mpi.events.formats.simulated.reader import SimulateReader

    handle = SimulateReader().open("events=4:seed=7")

    def write(row: int) -> None:
        np.save(tmp_path / f"shots_r000{row}.npy", handle.event("", row).data)

    write(1)
    campaign = small(data={"source": "shots_*.npy"})
    assert campaign.run()[0] == 0
    before = campaign.results()
    write(2)
    code, output = campaign.run()
    assert code == 0, output
    assert sorted(campaign.results()) == ["1-0.h5", "2-1.h5"]
    assert before.items() <= campaign.results().items()


def test_half_written_results_are_swept(small: Callable[..., Campaign]) -> None:
    """What a killed child left half written is gone after the next start."""
    campaign = small(events={"slice": "0:1"})
    assert campaign.run()[0] == 0
    partial = campaign.rundir / "results" / ".19-7-1.h5.4242"
    partial.write_bytes(b"half")
    assert campaign.run()[0] == 0
    assert not partial.exists()


def test_results_stay_where_they_are(
    small: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign that grows beyond 10,000 jobs keeps its folders, and redoes nothing."""
    from spring_mpi.campaign import plan
    from spring_mpi.cli.batch import main

    campaign = small(events={"slice": "0:2"})
    assert campaign.run()[0] == 0
    before = campaign.results()
    monkeypatch.setattr(plan, "_SHARDED_FROM", 2)
    overrides = ["--set", "events.slice=0:3", "--transport", "local"]
    assert main([str(campaign.config), *overrides]) == 0
    assert before.items() <= campaign.results().items()
    assert len(campaign.results()) == 3


def test_many_results_in_folders(
    small: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit results lie in sub-folders, and a rerun finds them there."""
    from spring_mpi.campaign import plan
    from spring_mpi.cli.batch import main

    monkeypatch.setattr(plan, "_SHARDED_FROM", 1)
    campaign = small(events={"slice": "0:2"})
    assert main([str(campaign.config), "--transport", "local"]) == 0
    files = {path: path.stat().st_mtime_ns for path in campaign.rundir.glob("results/???/*.h5")}
    assert len(files) == 2
    monkeypatch.undo()
    assert main([str(campaign.config), "--transport", "local"]) == 0
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_reader_of_the_output_leaves(small: Callable[..., Campaign]) -> None:
    """``| head -1`` ends the output, not the campaign."""
    campaign = small()
    process = campaign.start()
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert len(campaign.results()) == 4
