"""Loading of config texts, as the tests of config and campaign share it."""

from __future__ import annotations

import os

import pytest

from spring_mpi.config.config import load_config
from spring_mpi.errors import ConfigError


@pytest.fixture
def load(tmp_path, monkeypatch):
    """``load(text, *overrides)``: the config of a file, read from another current folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    file = tmp_path / "c.yaml"

    def load(text, *overrides):
        file.write_text(text, encoding="utf-8")
        return load_config(file, overrides)

    return load


@pytest.fixture
def problems(load, tmp_path):
    """``problems(text, *overrides)``: the problems of a file, called ``c.yaml``."""

    def problems(text, *overrides):
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        return [line.replace(f"{tmp_path}{os.sep}", "") for line in caught.value.problems]

    return problems
