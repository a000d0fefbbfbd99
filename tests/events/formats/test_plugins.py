"""Readers that other packages bring are found by name, loaded when they are needed, and told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import make_campaign
from helpers.writers import frame

from spring_mpi.cli.batch import main
from spring_mpi.config.config import load_config
from spring_mpi.errors import ConfigError, SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.registry import find_reader, reader_names

CODE = """
from spring_mpi.events.formats.npy import NpyReader

class HalfReader(NpyReader):
    def open(self, source):
        handle = super().open(source)
        event = handle.event
        handle.event = lambda dataset, row: event(dataset, row)._replace(
            data=event(dataset, row).data // 2
        )
        return handle

def broken():
    raise ImportError("no driver\\nat all")
"""
ENTRY_POINTS = """
[spring_mpi.readers]
half = facility_x:HalfReader
broken = facility_x:broken
nothing = facility_x:NoSuchReader
number = builtins:int
npy = facility_x:HalfReader
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package, also for child processes."""
    site = tmp_path / "site"
    info = site / "facility_x-2.1.dist-info"
    info.mkdir(parents=True)
    (site / "facility_x.py").write_text(CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: facility-x\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    monkeypatch.delitem(sys.modules, "facility_x", raising=False)
    return site


def test_named_plug_in_reads(package: Path, tmp_path: Path) -> None:
    """An index and its events come from it, and nothing else of the package is needed."""
    np.save(tmp_path / "a.npy", np.full((2, 3, 4), 10))
    index = build_index("a.npy", reader="half", root=tmp_path)
    assert index.read((0, 1)).data.tolist() == [[5] * 4] * 3


def test_campaign_with_a_plug_in(package: Path, tmp_path: Path) -> None:
    """The children find it, too."""
    np.save(tmp_path / "a.npy", frame(0)[None])
    quick = {"global": {"generations": 1, "popsize": 4}, "IA": {"it": 5}}
    data = {"source": "a.npy", "reader": "half"}
    pattern = {"center": [133.5, 137.5], "cropsize": 256, "size": 64}
    sections = {
        "data": data,
        "pattern": pattern,
        "settings": {**quick, "init": {"supportsize": 30}},
    }
    campaign = make_campaign(tmp_path, sections)
    assert main([str(campaign.config), "--transport", "local"]) == 0
    assert sorted(campaign.results()) == ["0-0.h5"]


def test_nothing_is_loaded_for_a_name(package: Path) -> None:
    """Names are told, and other readers found, without importing the package."""
    assert {"half", "broken", "cxi", "xtc2"} <= set(reader_names())
    find_reader("cxi")
    assert "facility_x" not in sys.modules


def test_own_readers_stay(package: Path) -> None:
    """A plug-in does not take the name of a reader that is here."""
    assert type(find_reader("npy")).__module__ == "spring_mpi.events.formats.npy"
    assert reader_names().count("npy") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hulf", "no reader 'hulf'; did you mean 'half'?"),
        ("spectrometer", r"no reader 'spectrometer'; known: cxi, .*half.*, FILE\.py:FUNCTION"),
        ("broken", r"reader 'broken' \(facility-x 2\.1, facility_x:broken\) cannot be loaded: "
                   "ImportError: no driver at all$"),
        ("nothing", "cannot be loaded: AttributeError: "),
        ("number", "is no reader: it needs needs_file, sniff, scan and open"),
    ],
)  # fmt: skip
def test_faults_are_told(package: Path, name: str, message: str) -> None:
    """Who brings it, and what is wrong, in one line."""
    with pytest.raises(SourceError, match=message):
        find_reader(name)


def test_configs_know_them(package: Path, tmp_path: Path) -> None:
    """A plug-in's name is legal, and suggested."""
    config = tmp_path / "c.yaml"
    text = "name: a\ndata: {{source: a.dat, reader: {}}}\npattern: {{cropsize: 8}}\n"
    for name in ("half", "euxfel"):
        config.write_text(text.format(name))
        assert load_config(config).data.reader == name
    config.write_text(text.format("haalf"))
    with pytest.raises(ConfigError, match="did you mean 'half'"):
        load_config(config)
