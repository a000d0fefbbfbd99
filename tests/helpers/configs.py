"""Loading of config texts, as the tests of config and campaign share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spring_mpi.config.config import load_config
from spring_mpi.config.sections import Config
from spring_mpi.errors import ConfigError


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """``load(text, *overrides)``: the config of a file, read from another current folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    file = tmp_path / "c.yaml"

    def load(text: str, *overrides: str) -> Config:
        file.write_text(text, encoding="utf-8")
        return load_config(file, overrides)

    return load


@pytest.fixture
def problems(load: Callable[..., Config], tmp_path: Path) -> Callable[..., list[str]]:
    """``problems(text, *overrides)``: the problems of a file, called ``c.yaml``."""

    def problems(text: str, *overrides: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        return [line.replace(f"{tmp_path}{os.sep}", "") for line in caught.value.problems]

    return problems
