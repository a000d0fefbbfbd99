"""A run directory of version 0.1.0 goes on: nothing is done twice, and nothing is mixed in silence.

``former/version_0_1_0`` is what a killed campaign of that version left: one job done, another one
with a checkpoint, a third not begun. Its folder stands as ``{folder}`` in the config. The mask of
its CXI file lies beside what the frames are a link to, where that version did not look.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from helpers.campaigns import Campaign

from spring_mpi.model.result import Result

FORMER = Path(__file__).with_name("former") / "version_0_1_0"
MASK = "entry_1/instrument_1/detector_1/mask"


@pytest.fixture
def former(tmp_path: Path) -> Campaign:
    """The run directory and its data, in a folder of their own."""
    rundir = tmp_path / "run"
    for folder in ("tmp", "new", "reply", "done"):
        (rundir / "control" / folder).mkdir(parents=True)
    with tarfile.open(FORMER / "files.tar.xz") as archive:
        archive.extractall(rundir, filter="data")
    (rundir / "run.cxi").rename(tmp_path / "run.cxi")
    text = (FORMER / "config.yaml").read_text()
    (rundir / "config.yaml").write_text(text.replace("{folder}", str(tmp_path)))
    for name, place in (("journal.jsonl", rundir), ("demo.yaml", tmp_path)):
        (place / name).write_bytes((FORMER / name).read_bytes())
    return Campaign(tmp_path / "demo.yaml", rundir)


@pytest.fixture
def masked(former: Campaign) -> Campaign:
    """The same, with pixels in the mask: the file's size, and so the fingerprint, stays."""
    path = former.config.with_name("run.cxi")
    before = path.stat().st_size
    with h5py.File(path, "r+") as file:
        file[MASK][20:22] = 1
    assert path.stat().st_size == before
    return former


def change(campaign: Campaign, **sections: Any) -> None:
    """Replace sections of the config."""
    config = yaml.safe_load(campaign.config.read_text())
    campaign.config.write_text(yaml.safe_dump(config | sections))


def test_it_goes_on(former: Campaign) -> None:
    """What is done stays, what ran continues from its checkpoint, the rest is done."""
    before = former.results()
    code, output = former.run()
    assert code == 0, output
    assert "1 results of an earlier version are of the same patterns as now and stay" in output
    assert "0-1 continues from generation" in output
    assert "0-0 started" not in output
    assert before.items() <= former.results().items()
    assert len(former.results()) == 3
    remarks = {name: row["remark"] for name, row in former.summary().items()}
    assert remarks == {"0-0": "made by engine revision 1", "0-1": "", "0-2": ""}
    assert "1 results here are of an earlier revision of the engine and stay, marked in" in output
    code, output = former.run()
    assert (code, "earlier version" in output) == (0, False), "it was looked into only once"
    assert "1 results are of an earlier revision of the engine and stay; to make them" in output


def test_made_again_on_request(former: Campaign) -> None:
    """A result of an earlier engine is made anew, and is one of this engine from then on."""
    before = former.results()["0-0.h5"]
    process = former.start("--serve")
    try:
        former.wait_for(lambda: len(set(former.in_state("done"))) == 3, process)
        lines = former.in_state("done").count("0-0")
        told = subprocess.run(
            [sys.executable, "-m", "spring_mpi.cli.ctl", str(former.rundir), "retry"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert told.stdout == "Adding 0-0 to queue\n"
        former.wait_for(lambda: former.in_state("done").count("0-0") > lines, process)
        subprocess.run(
            [sys.executable, "-m", "spring_mpi.cli.ctl", str(former.rundir), "drain"], check=True
        )
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    row = former.summary()["0-0"]
    assert (row["remark"], row["verdict"] != "") == ("", True)
    assert former.results()["0-0.h5"] != before
    assert former.run()[0] == 0
    assert former.summary()["0-0"] == row


def test_a_mask_that_counts_now(masked: Campaign) -> None:
    """Exit 2, with the jobs and what changed, also of --check; nothing is touched."""
    before, lines = masked.results(), masked.journal()
    for arguments in ((), ("--check",)):
        code, output = masked.run(*arguments)
        assert code == 2, output
        assert "1 finished jobs in" in output
        assert "0-0: 64 pixels of its pattern are excluded that were not" in output
        assert f"in use now: the file's /{MASK} excludes 64 pixels" in output
        assert "--keep" in output
        assert "--redo" in output
    assert (masked.results(), masked.journal()) == (before, lines)


def test_keep(masked: Campaign) -> None:
    """The old result stays and is marked; what is not done is done with the mask."""
    before = masked.results()
    code, output = masked.run("--check", "--keep")
    assert code == 0, output
    code, output = masked.run("--keep")
    assert code == 0, output
    assert before.items() <= masked.results().items()
    remarks = {name: row["remark"] for name, row in masked.summary().items()}
    assert remarks["0-0"].startswith("kept: 64 pixels of its pattern are excluded that were not")
    assert remarks["0-0"].endswith("; made by engine revision 1")
    assert (remarks["0-1"], remarks["0-2"]) == ("", "")
    assert excluded(masked, "0-2") == 64
    code, output = masked.run()
    assert code == 0, output
    assert masked.summary()["0-0"]["remark"] == remarks["0-0"]
    code, output = masked.run("--redo")
    assert code == 0, output
    assert "1 jobs are done again" in output
    assert excluded(masked, "0-0") == 64


def test_redo(masked: Campaign) -> None:
    """The job is done again with the mask; its former result is set aside."""
    content = (masked.rundir / "results/0-0.h5").read_bytes()
    code, output = masked.run("--redo")
    assert code == 0, output
    assert "1 jobs are done again" in output
    assert excluded(masked, "0-0") == 64
    assert (masked.rundir / "former/2/results/0-0.h5").read_bytes() == content
    assert {row["remark"] for row in masked.summary().values()} == {""}


def excluded(campaign: Campaign, name: str) -> int:
    """Pixels that a result's pattern leaves out."""
    return int(Result.load(campaign.rundir / f"results/{name}.h5").mask.sum())


def test_a_checkpoint_of_another_pattern_is_not_continued(masked: Campaign) -> None:
    """Its job begins anew, and says why: no result is of two patterns."""
    code, output = masked.run("--keep")
    assert code == 0, output
    assert "0-1 continues from" not in output
    assert "ignores its checkpoint" in output
    assert "the event is prepared otherwise now" in output
    assert excluded(masked, "0-1") == 64


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"seed": 2}, "seed: 1 -> 2"),
        (
            {"settings": {"global": {"generations": 60, "popsize": 4}, "init": {"supportsize": 12},
                          "IA": {"it": 10}}},
            "settings.init.supportsize: 10 -> 12",
        ),
        ({"pattern": {"center": [16, 16], "cropsize": 32, "size": 32}},
         "pattern.satvalue: 60000.0 -> none"),
    ],
)  # fmt: skip
def test_a_change_of_the_config_is_named(
    former: Campaign, sections: dict[str, int | dict[str, Any]], reason: str
) -> None:
    """Also by the rule of that version; the workers, which changed as well, are no reason."""
    change(former, workers={"retries": 5}, **sections)
    code, output = former.run()
    assert code == 2, output
    assert f"  {reason}\n" in output
    assert "retries" not in output
    assert "another one" not in output


def test_a_change_of_the_source_is_named(former: Campaign) -> None:
    """A file that grew is another one."""
    with h5py.File(former.config.with_name("run.cxi"), "r+") as file:
        file["more"] = np.zeros(1000)
    code, output = former.run()
    assert code == 2, output
    assert "  its source is another one\n" in output


def test_its_result_can_be_read(former: Campaign) -> None:
    """What its file does not hold is as if it had not been measured."""
    result = Result.load(former.rundir / "results/0-0.h5")
    assert result.provenance.masks == ()
    assert (result.verdict, result.resolution_px) == (None, None)
    with h5py.File(former.rundir / "results/0-0.h5", "r+") as file:
        del file["entry_1/image_1/std"]
        file["entry_1/analysis/new"] = 1.0
    assert Result.load(former.rundir / "results/0-0.h5").std.size == 0


def test_a_result_that_was_complete_but_not_in_the_journal(former: Campaign) -> None:
    """It is taken over where its event is prepared as before."""
    journal = former.rundir / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    kept = [line for line in lines if (line.get("job"), line.get("state")) != ("0-0", "done")]
    journal.write_text("".join(json.dumps(line) + "\n" for line in kept))
    before = former.results()
    code, output = former.run()
    assert code == 0, output
    assert "1 results were complete, but not in the journal" in output
    assert before.items() <= former.results().items()
