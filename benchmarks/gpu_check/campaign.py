"""Real children of spring-batch on a GPU: alone, packed, sharing, and again to the same bits."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from device import partial

_EVENTS = 4
_OWN = ("command", "seconds", "started", "source")
"""Datasets that differ between equal runs."""
Found = dict[str, dict[str, bytes]]
"""Files, and the bytes of their datasets."""


def step_campaign(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each campaign against the one that must have the same bits."""
    campaigns = Campaigns(arguments)
    first = campaigns.run("alone", {"device": "cuda"})
    campaigns.compare("again", first, {"device": "auto"})
    campaigns.compare("packed", first, {"device": "cuda", "pack": 4})
    campaigns.compare("shared", first, {"device": "cuda", "per_device": 2}, workers=2)
    second = campaigns.run("two-pass", {"device": "cuda"}, transforms="two-pass")
    packed = {"device": "cuda", "pack": 4}
    campaigns.compare("two-pass-packed", second, packed, transforms="two-pass")
    seconds = {name: run["seconds"] for name, run in campaigns.runs.items()}
    return {
        "runs": campaigns.runs, "failed": campaigns.failed or None,
        "told": f"{seconds['alone']} s alone, {seconds['packed']} s packed",
    }  # fmt: skip


class Campaigns:
    """Runs of one small campaign."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=arguments.work))
        self._shape = (64, 4, 3) if arguments.fake else (128, 16, 6)
        self._limit = 240 if arguments.fake else 60
        self.runs: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []

    def compare(self, name: str, expected: Found, section: dict[str, Any], **options: Any) -> None:
        """Run it, and note where its datasets differ from those expected."""
        found = self.run(name, section, **options)
        differ = {
            dataset
            for file, datasets in expected.items()
            for dataset, value in datasets.items()
            if found.get(file, {}).get(dataset) != value
        }
        self.runs[name] |= {"equal": bool(expected) and not differ, "differ": sorted(differ)[:8]}
        if not self.runs[name]["equal"]:
            self.failed.append(f"{name} differs")

    def run(
        self, name: str, section: dict[str, Any], *, transforms: str = "cufft",
        **options: int,
    ) -> Found:  # fmt: skip
        """The results of a campaign with that section ``workers``."""
        config = self._folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(self._config(name, section)))
        command = [sys.executable, "-m", "spring_mpi.cli.batch", str(config)]
        command += [f"--{option}={value}" for option, value in options.items()]
        variables = {**os.environ, "SPRING_CUDA_FFT": transforms}
        began = time.monotonic()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=self._limit, cwd=self._folder,
                env=variables,
            )  # fmt: skip
            code, text = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as fault:
            code, text = 124, str(fault.stdout)
        files = sorted((self._folder / name).glob("results/*.h5"))
        found = {file.name: _datasets(file) for file in files}
        backends = {datasets["entry_1/process_1/backend"] for datasets in found.values()}
        self.runs[name] = {
            "code": code, "seconds": round(time.monotonic() - began, 2), "results": len(found),
            "selected": "Selected GPUs:" in text,
        }  # fmt: skip
        print(f"---- {name}: {self.runs[name]}\n{text[-3000:]}", flush=True)
        if code or len(found) != _EVENTS or "Selected GPUs:" not in text or backends != {b"cupy"}:
            self.failed.append(name)
        partial({"runs": self.runs, "failed": self.failed or None})
        return found

    def _config(self, name: str, section: dict[str, Any]) -> dict[str, Any]:
        size, popsize, generations = self._shape
        return {
            "name": "gpu",
            "output": str(self._folder / name),
            "data": {
                "reader": "simulate", "source": f"events={_EVENTS}:seed=7",
                "mask": {"dataset": "mask", "bad": 1},
            },
            "pattern": {
                "center": [133.5, 137.5], "cropsize": 256, "size": size, "satvalue": 3.0e4,
                "gain": 10.0,
            },
            "settings": {
                "global": {"generations": generations, "popsize": popsize},
                "init": {"supportsize": 30}, "IA": {"it": 20},
            },
            "workers": section,
        }  # fmt: skip


def _datasets(path: Path) -> dict[str, bytes]:
    """All datasets that equal runs have in common."""
    found: dict[str, bytes] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.endswith(_OWN):
            found[name] = np.asarray(item[()]).tobytes()

    with h5py.File(path) as file:
        file.visititems(take)
        found["entry_1/process_1/backend"] = file["entry_1/process_1/backend"][()]
    return found
