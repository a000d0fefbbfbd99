"""An array with an entry for each event, in a file of its own, beside events of several files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.campaigns import Campaign

CONFIG = """\
name: c
output: run
data: {{source: "{source}", dataset: /data, mask: {mask}}}
pattern: {{center: [31.5, 31.5], cropsize: 64, size: 32, {more}}}
settings: {{global: {{generations: 1, popsize: 4}}, init: {{supportsize: 10}}, IA: {{it: 5}}}}
"""


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run --check on two files of two events; its code and output."""
    rows = np.hypot(*np.mgrid[-32:32, -32:32]) + 1
    frames = np.repeat(1e6 / rows[None] ** 3, 2, axis=0)
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = frames
            file["bad"] = np.eye(64, dtype=np.uint8)[None].repeat(2, axis=0)
    for count in (1, 2, 4):
        np.save(tmp_path / f"{count}.npy", np.eye(64)[None].repeat(count, axis=0))

    def run(source: str = "?.h5", mask: str = "[]", more: str = "gain: 1.0") -> tuple[int, str]:
        config = tmp_path / "c.yaml"
        config.write_text(CONFIG.format(source=source, mask=mask, more=more))
        return Campaign(config, tmp_path / "run").run("--check")

    return run


@pytest.mark.parametrize("count", [2, 4])
def test_entries_for_events_of_one_file_are_refused(
    check: Callable[..., tuple[int, str]], count: int
) -> None:
    """The second file's events would get the entries of the first one's."""
    code, output = check(mask=f"{{file: {count}.npy, bad: 1}}")
    assert code == 2, output
    assert f"{count}.npy has an entry for each event of one file, but 0-0 and 0-2 are" in output
    code, output = check(more=f"background: {count}.npy")
    assert code == 2, output
    assert "background " in output
    assert f"{count}.npy has an entry for each event of one file" in output


@pytest.mark.parametrize(
    ("source", "mask"),
    [
        ("a.h5", "{file: 2.npy, bad: 1}"),
        ("?.h5", "{file: 1.npy, bad: 1}"),
        ("?.h5", "{dataset: bad, bad: 1}"),
    ],
)
def test_what_is_clear_holds(check: Callable[..., tuple[int, str]], source: str, mask: str) -> None:
    """One file; one entry for all events; entries in the events' own files."""
    code, output = check(source=source, mask=mask)
    assert code == 0, output
    assert "excludes 64 pixels" in output
