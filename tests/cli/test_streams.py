"""Commands on streams that batch systems give: ASCII only, closed, full, or read by ``head``."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import yaml

MODULES = [
    one.value.partition(":")[0]
    for one in entry_points(group="console_scripts")
    if one.value.startswith("spring_mpi.")
]
ASCII = {
    "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
}  # fmt: skip
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
BROKEN = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"]


def told(module: str, arguments: str, folder: Path, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command with its arguments as a shell takes them."""
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$0" -m {module} {arguments}', sys.executable],
        cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=90, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(errors="surrogateescape")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two events, a config and an index, all with names beyond ASCII."""
    made = tmp_path_factory.mktemp("été")
    frame = np.random.default_rng(1).poisson(50, (64, 64)).astype("u2")
    np.save(made / "främes.npy", np.stack([frame, frame]))
    np.save(made / "many.npy", np.zeros((9000, 4, 4), "u1"))
    config = {
        "name": "demo",
        "output": "dépôt",
        "data": {"root": ".", "source": "främes.npy"},
        "pattern": {"cropsize": 64, "size": 64, "center": [32, 32]},
        "settings": {"global": {"popsize": 4, "generations": 2}, "init": {"supportsize": 14}},
    }
    text = yaml.safe_dump(config, allow_unicode=True)
    (made / "café.yaml").write_text(text, encoding="utf-8")
    index = "spring_mpi.cli.index"
    assert told(index, "build främes.npy -o é.h5", made)[0] == 0
    assert told(index, "build many.npy -o many.h5", made)[0] == 0
    return made


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("environment", [{}, UNBUFFERED], ids=["buffered", "unbuffered"])
def test_a_reader_that_goes_away_is_no_fault(
    module: str, environment: dict[str, str], folder: Path
) -> None:
    assert told(module, "--help | true", folder, **environment) == (0, "")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("broken", BROKEN)
def test_every_command_refuses_with_its_code_on_broken_streams(
    module: str, broken: str, folder: Path
) -> None:
    code, said = told(module, f"no-such-verb-nor-file {broken}", folder)
    assert code in (2, 4)
    assert "Traceback" not in said


@pytest.mark.parametrize("module", MODULES)
def test_a_full_disk_under_the_output_is_told(module: str, folder: Path) -> None:
    code, said = told(module, "--help >/dev/full", folder)
    assert (code, said) == (2, "the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("environment", [{}, UNBUFFERED], ids=["buffered", "unbuffered"])
def test_head_ends_a_long_list(environment: dict[str, str], folder: Path) -> None:
    arguments = "ls many.h5 --limit 9000 | head -n 1"
    code, said = told("spring_mpi.cli.index", arguments, folder, **environment)
    assert code == 0
    assert said.startswith("0-0 ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    ["index ls é.h5", "index info é.h5", "index show é.h5 0-0", "index check é.h5",
     "batch café.yaml --check", "ctl dépôt info"],
)  # fmt: skip
def test_letters_are_escaped_on_ascii_streams(arguments: str, folder: Path) -> None:
    code, said = told(f"spring_mpi.cli.{arguments}", "", folder, **ASCII)
    assert code == (4 if "ctl" in arguments else 0)
    assert said.isascii()
    assert "Traceback" not in said


def test_a_script_names_files_as_they_are_also_on_an_ascii_stream(folder: Path) -> None:
    code, said = told("spring_mpi.cli.submit", "café.yaml --print", folder, **ASCII)
    assert code == 0
    assert f"config='{folder}/café.yaml'" in said


def test_a_campaign_runs_in_an_ascii_locale(folder: Path) -> None:
    code, said = told("spring_mpi.cli.batch", "café.yaml --fresh", folder, **ASCII)
    assert (code, "Traceback" in said) == (0, False)
    log = (folder / "dépôt/rank0.log").read_text(encoding="utf-8")
    assert "dépôt" in log
    view = "dépôt --sheet é.png"
    assert told("spring_mpi.cli.view", view, folder, **ASCII)[0] == 0
    assert (folder / "é.png").exists()


@pytest.mark.parametrize("broken", [*BROKEN, "2>&1 | true"])
def test_a_campaign_needs_no_stream(broken: str, folder: Path) -> None:
    code, said = told("spring_mpi.cli.batch", f"café.yaml --fresh {broken}", folder)
    assert code == 0
    assert "Traceback" not in said
    assert len(list((folder / "dépôt/results").glob("*.h5"))) == 2
    assert (folder / "dépôt/rank0.log").read_text().endswith("exit 0\n")


def test_what_a_loader_prints_fails_no_job_in_an_ascii_locale(folder: Path) -> None:
    (folder / "loader.py").write_text(
        "import numpy as np\n"
        "def load(path):\n"
        "    print('été')\n"
        "    return {'pattern': np.load(path)[0]}\n",
        encoding="utf-8",
    )
    overrides = "--set data.reader=loader.py:load --set output=printing"
    assert told("spring_mpi.cli.batch", f"café.yaml {overrides}", folder, **ASCII)[0] == 0
