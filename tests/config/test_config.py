"""Laws of the config file: strict, all faults at once with their places, complete when written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spring_mpi.config.config import dump_config, load_config
from spring_mpi.config.event_choice import EventSelection
from spring_mpi.config.sections import Config, Workers
from spring_mpi.errors import ConfigError
from spring_mpi.events.formats.registry import BUILT_IN
from spring_mpi.events.specs import ArraySpec, MaskSpec

EXAMPLE = """\
name: demo
output: runs/demo
seed: 1
data:
  root: .
  source: run34.cxi
  reader: auto
  dataset: /entry_1/data_1/data
  pid: /entry_1/event/pulse_id
  mask: {file: mask.npy, bad: 1}
  index: null
events: all
pattern:
  center: [515.0, 510.3]
  cropsize: 1024
  size: 256
  satvalue: 3.0e4
  background: 0
  gain: 1.0
settings: {global: {generations: 100, popsize: 128}, init: {supportsize: 60}}
sweep:
  tag: "suppsize:{init.supportsize}"
  over: {init.supportsize: [80, 100, 120]}
workers: {device: auto, per_device: 1, threads: 1, retries: 2, timeout: 600, checkpoint: 5}
"""
LEAST = "name: a\ndata: {source: x.npy}\npattern: {cropsize: 64}\n"


@pytest.fixture(scope="session")
def example() -> str:
    """The example config of the documentation."""
    return EXAMPLE


@pytest.fixture(scope="session")
def least() -> str:
    """The shortest config."""
    return LEAST


def test_the_example_of_the_documentation_loads(
    load: Callable[..., Config], tmp_path: Path
) -> None:
    """Every value of the example arrives in its type, paths absolute."""
    config = load(EXAMPLE)
    root = str(tmp_path)
    assert (config.name, config.output, config.seed) == ("demo", f"{root}/here/runs/demo", 1)
    assert (config.data.root, config.data.source) == (root, (f"{root}/run34.cxi",))
    assert (config.data.pid, config.data.run) == (("/entry_1/event/pulse_id",), None)
    assert config.data.mask == (MaskSpec(file=f"{root}/mask.npy", bad=1),)
    assert config.events == EventSelection()
    assert (config.pattern.center, config.pattern.size) == ((515.0, 510.3), 256)
    assert (config.pattern.satvalue, config.pattern.gain) == (30000.0, ArraySpec(value=1.0))
    assert config.settings.given == {
        ("global", "generations"), ("global", "popsize"), ("init", "supportsize")
    }  # fmt: skip
    tags = [variant.tag for variant in config.sweep.variants(config.settings)]
    assert tags == ["suppsize:80", "suppsize:100", "suppsize:120"]
    assert config.workers == Workers()


def test_the_example_reads_back(load: Callable[..., Config]) -> None:
    """The example, written complete, is read back as the same config."""
    config = load(EXAMPLE)
    assert load(dump_config(config)) == config


def test_defaults_of_the_shortest_config(load: Callable[..., Config], tmp_path: Path) -> None:
    """Size is cropsize, output is runs/name in the current folder, root the config's folder."""
    config = load(LEAST)
    assert (config.pattern.size, config.data.root) == (64, str(tmp_path))
    assert config.output == str(tmp_path / "here" / "runs" / "a")


def test_all_faults_are_told_at_once_in_their_order(problems: Callable[..., list[str]]) -> None:
    """Five mistakes in five sections are five problems, each with line and column."""
    text = EXAMPLE.replace("seed: 1", "sede: 1").replace("gain: 1.0", "gain: -1.0")
    text = text.replace("reader: auto", "reader: cxii").replace("size: 256", "size: 300")
    text = text.replace("timeout: 600", "timeout: yes")
    assert problems(text) == [
        "c.yaml:3:1: sede: unknown key; did you mean 'seed'?",
        f"c.yaml:7:11: data.reader: must be one of auto, {', '.join(BUILT_IN)}, or "
        "FILE.py:FUNCTION, not 'cxii'; did you mean 'cxi'?",
        "c.yaml:15:13: pattern.cropsize: must be a multiple of size (300); the nearest are 900 "
        "and 1200, not 1024",
        "c.yaml:19:9: pattern.gain: must be >0, not -1",
        "c.yaml:24:73: workers.timeout: must be float, not 'yes'",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: true", "7: seed: must be int, not true"),
        ("seed: 1e6", "7: seed: must be int, not 1e6; write 1000000"),
        ("seed: 017", "7: seed: must be int, not '017'; leave the leading zero out, "
                      "an octal number is 0o17"),
        ("seed: 1_000", "7: seed: must be int, not '1_000'; write 1000"),
        ("workers: {timeout: 0:10:00}", "20: workers.timeout: must be float, not '0:10:00'; a time "
                                     "is given in seconds: write 600"),
        ("workers: {room: 1-00:00}", "17: workers.room: must be float, not '1-00:00'; a time "
                                     "is given in seconds: write 86400"),
        ("seed: 12:30", "7: seed: must be int, not '12:30'; a number has no colons"),
        ("seed: '5'", "7: seed: must be int, not '5'; leave the quotes out"),
        ("seed: -1", "7: seed: must be >=0 <9223372036854775808, not -1"),
        ("seed: [1]", "7: seed: must be int, not a list of 1"),
        ("settings: {DE: {align: on}}", "24: settings.DE.align: must be true or false, not 'on'; "
                                        "write true or false"),
        ("settings: {init: {gamma: .nan}}", "26: settings.init.gamma: must be finite, not .nan"),
        ("settings: {global: {gpus: 1}}", "27: settings.global.gpus: is for MPR.run() in Python; "
                                          "here it is workers.device"),
        ("settings: {IA: {it: 9, sequence: ER*8}}", "34: settings.IA.sequence: IA.sequence has 8 "
         "iterations, IA.it says 9: leave one of them out"),
        ("settings: {SW: {area_start: 1}}", "16: settings.SW.area_end: must be <= SW.area_start "
                                            "(1.0)"),
        ("sweep: {over: {init.gama: [1]}}", "16: sweep.over.init.gama: unknown key; did you mean "
                                            "'init.gamma'?"),
        ("sweep: {over: {init.gamma: []}}", "28: sweep.over.init.gamma: must be a list of values, "
                                            "not a list of 0"),
        ("sweep: {over: {init.gamma: [1, 2]}}", "32: sweep.over.init.gamma[1]: must be >0 <2, "
                                                "not 2.0"),
        ("sweep: {over: {global.threads: [1]}}", "32: sweep.over.global.threads: is for MPR.run() "
                                                 "in Python; here it is workers.threads"),
        ("sweep: {tag: '{x}'}", "14: sweep.tag: no setting 'x'"),
        ("sweep: {over: {global.islands: [1, 3]}}", "32: sweep.over.global.islands: must divide "
                                                    "global.popsize (128) (variant 'islands:3')"),
        ("events: some", "9: events: must be all, or a mapping with one of slice, pids, list and "
                         "where, not 'some'"),
        ("events: {slice: '5'}", "17: events.slice: must be \"a:b\" or \"a:b:c\", such as "
                                 "\"0:100\", not '5'"),
        ("events: {list: a, slice: ':'}", "9: events: needs exactly one of slice, pids, list and "
                                          "where"),
        ("events: {where: sum > 1 and summ < 3}", "17: events.where: character 13: no column "
                                                  "'summ'; did you mean 'sum'?, in 'sum > 1 and "
                                                  "summ < 3'"),
        ("events: {pids: [1, x]}", "20: events.pids[1]: must be like 71-1-145, [71, 1, 145] or "
                                   "145, not 'x'"),
        ("events: {pids: []}", "16: events.pids: must name at least one"),
        ("workers: {device: cuda0}", "19: workers.device: must be auto, cpu, cuda or cuda:K, "
                                     "not 'cuda0'"),
        ("output: ''", "9: output: must not be empty"),
    ],
)  # fmt: skip
def test_one_fault_has_one_problem_at_its_place(
    problems: Callable[..., list[str]], line: str, message: str
) -> None:
    """A single mistake is told once, with its column, its key and what to do."""
    actual = problems(LEAST + line)
    assert len(actual) == 1
    assert actual[0].startswith(f"c.yaml:4:{message}")


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("name: a", "nam: a", ["1:1: nam: unknown key; did you mean 'name'?",
                               "1:1: name: is missing: name of the campaign"]),
        ("name: a", "name: a b", ["1:7: name: may hold letters, digits and ._+=,@~- only, "
                                  "not 'a b'"]),
        ("name: a", "name: 34", ["1:7: name: must be text, not 34; put it in quotes: '34'"]),
        ("source: x.npy", "mask: {file: m, bad: 1, good: 0}", [
            "2:7: data.source: is missing: file, glob, list of them, or source string",
            "2:14: data.mask: needs exactly one of bad, good and bad_bits"]),
        ("x.npy", "x.npy, mask: {file: m, bad_bits: 0}", [
            "2:49: data.mask.bad_bits: must be the sum of the bits that exclude, 1 to "
            "0xffffffffffffffff"]),
        ("x.npy", "x.npy, mask: {file: m, bad_bits: -1}", [
            "2:49: data.mask.bad_bits: must be the sum of the bits that exclude, 1 to "
            "0xffffffffffffffff"]),
        ("x.npy", "x.npy, mask: {file: m, bad_bits: 18446744073709551616}", [
            "2:49: data.mask.bad_bits: must be the sum of the bits that exclude, 1 to "
            "0xffffffffffffffff"]),
        ("x.npy", "x.npy, mask: m.npy", ["2:29: data.mask: must be a mapping such as "
                                         "{file: mask.npy, bad: 1}, not 'm.npy'"]),
        ("x.npy", "[], mask: {}", ["2:16: data.source: must name at least one",
                                   "2:26: data.mask: needs exactly one of bad, good and bad_bits"]),
        ("64", "64, gain: {}", ["3:31: pattern.gain: needs a file, a dataset, or both"]),
        ("64", "64, center: [1]", ["3:33: pattern.center: must be a list of 2 float, "
                                   "not a list of 1"]),
        ("64", "64, center: 5", ["3:33: pattern.center: must be [row, column], a file or a "
                                 "dataset, not one number"]),
        ("64", "64, gain: {value: 2}", ["3:39: pattern.gain.value: unknown key; write the number "
                                        "alone"]),
    ],
)  # fmt: skip
def test_faults_of_data_and_pattern(
    problems: Callable[..., list[str]], old: str, new: str, messages: list[str]
) -> None:
    """Faults of the required sections are told at their places."""
    assert problems(LEAST.replace(old, new)) == [f"c.yaml:{one}" for one in messages]


def test_auto_is_a_word_and_no_file(load: Callable[..., Config], tmp_path: Path) -> None:
    """For centre and saturation; a file of that name is written with its folder."""
    pattern = load(LEAST.replace("64", "64, center: auto, satvalue: auto")).pattern
    assert (pattern.center, pattern.satvalue) == ("auto", "auto")
    other = load(LEAST.replace("64", "64, center: ./auto, satvalue: null")).pattern
    assert (other.center, other.satvalue) == (ArraySpec(file=f"{tmp_path}/auto"), None)


def test_paths_start_where_the_documentation_says(
    load: Callable[..., Config], tmp_path: Path
) -> None:
    """Data paths start at data.root, that at the config's folder; output at the current one."""
    data = (
        "{root: d, source: ['*.h5', 'exp=a:dir=x:run=3'], reader: my.py:load, "
        "mask: {file: m.npy, good: 1}, index: i.h5}"
    )
    text = LEAST.replace("{source: x.npy}", data)
    text = text.replace("64", "64, center: c.npy, gain: {file: g.h5, dataset: /g}")
    config = load(text + "events: {list: hits.txt}\n")
    root, here = f"{tmp_path}/d", f"{tmp_path}/here"
    assert (config.data.root, config.data.reader) == (root, f"{root}/my.py:load")
    assert config.data.source == (f"{root}/*.h5", f"exp=a:dir={root}/x:run=3")
    assert (config.data.mask[0].file, config.data.index) == (f"{root}/m.npy", f"{here}/i.h5")
    assert config.pattern.center == ArraySpec(file=f"{root}/c.npy")
    assert config.pattern.gain == ArraySpec(file=f"{root}/g.h5", dataset="/g")
    assert config.events.list == f"{root}/hits.txt"


def test_paths_of_the_command_line_start_where_those_of_the_file_do(
    load: Callable[..., Config], tmp_path: Path
) -> None:
    """Data paths start at data.root, too; that itself, output and index at the current folder."""
    text = LEAST.replace("{source: x.npy}", "{root: d, source: x.npy}")
    config = load(
        text, "data.mask={file: m.npy, bad: 1}", "pattern.center=c.npy", "data.source=y.npy",
        "events.list=hits.txt", "data.geometry=a.geom", "data.reader=my.py:load",
        "pattern.gain=g.npy", "pattern.background={file: b.npy}", "data.index=i.h5", "output=o",
    )  # fmt: skip
    root, here = f"{tmp_path}/d", f"{tmp_path}/here"
    assert config.data.mask[0].file == f"{root}/m.npy"
    assert config.pattern.center == ArraySpec(file=f"{root}/c.npy")
    assert config.pattern.gain == ArraySpec(file=f"{root}/g.npy")
    assert config.pattern.background == ArraySpec(file=f"{root}/b.npy")
    assert (config.data.source, config.events.list) == ((f"{root}/y.npy",), f"{root}/hits.txt")
    assert config.data.geometry.file == f"{root}/a.geom"
    assert config.data.reader == f"{root}/my.py:load"
    assert (config.data.index, config.output) == (f"{here}/i.h5", f"{here}/o")
    moved = load(text, "data.root=e", "data.source=y.npy")
    assert moved.data.source == (f"{here}/e/y.npy",)


def test_a_simulated_source_is_no_path(load: Callable[..., Config]) -> None:
    """The source text of the simulate reader stays as it is written."""
    config = load(LEAST.replace("x.npy", "n=3:size=64, reader: simulate"))
    assert config.data.source == ("n=3:size=64",)


@pytest.mark.parametrize(
    ("text", "pids"),
    [
        ("[71-1-145, [71, 1, 146], 7]", ((71, 1, 145), (71, 1, 146), (7,))),
        ("2024-01-01", ((2024, 1, 1),)),
    ],
)
def test_pids_have_three_forms(
    load: Callable[..., Config], text: str, pids: tuple[tuple[int, ...], ...]
) -> None:
    """A pid is joined text, a list, or one integer."""
    assert load(LEAST + f"events: {{pids: {text}}}").events.pids == pids


def test_overrides_replace_what_the_file_says(load: Callable[..., Config]) -> None:
    """An override changes its key alone, makes missing sections, and may be a list."""
    config = load(
        EXAMPLE, "settings.init.gamma=75e-2", "sweep.over.init.supportsize=[70]", "seed=5",
        "events.slice=0:10", "data.source=[/a.h5, /b.h5]",
    )  # fmt: skip
    assert (config.settings.init.gamma, config.settings.init.supportsize) == (0.75, 60)
    assert (config.sweep.over, config.seed) == ((("init.supportsize", (70,)),), 5)
    assert (config.events.slice, config.data.source) == ("0:10", ("/a.h5", "/b.h5"))


def test_a_pattern_of_file_names_needs_no_quotes_on_the_command_line(
    load: Callable[..., Config],
) -> None:
    """There a * is no alias, for no anchor can stand before it."""
    for text in ("*.cxi", " *cxi "):
        (source,) = load(LEAST, f"data.source={text}").data.source
        assert os.path.basename(source) == text.strip()


def test_faults_of_overrides_follow_those_of_the_file(problems: Callable[..., list[str]]) -> None:
    """Overrides are told by their text, after the file's problems, in the order given."""
    overrides = ("settings.init.supsize=3", "foo", "workers.threads=0", "data.pid=[", "seed=")
    assert problems(LEAST + "sede: 1", *overrides) == [
        "c.yaml:4:1: sede: unknown key; did you mean 'seed'?",
        "--set settings.init.supsize=3: settings.init.supsize: unknown key; did you mean "
        "'supportsize'?",
        "--set foo: must be KEY=VALUE, such as settings.init.supportsize=80",
        "--set workers.threads=0: workers.threads: must be >=1, not 0",
        "--set data.pid=[: not YAML: while parsing a flow node, expected the node content, "
        "but found '<stream end>'",
        "--set seed=: seed: must be int, not null",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "c.yaml:1:1: is empty; a config has at least name, data and pattern"),
        (b"# only this\n", "c.yaml:1:1: is empty; a config has at least name, data and pattern"),
        (b"- a\n", "c.yaml:1:1: must be a mapping with keys such as name, data and pattern, "
                   "not a list of 1"),
        (b"name: a\nx: \xff\n", "c.yaml:2:4: not UTF-8 text; save the file with that encoding"),
    ],
)  # fmt: skip
def test_files_that_are_no_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    """What holds no mapping of text is told in one line."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_config("c.yaml")
    assert caught.value.problems == (message,)


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    """A file that cannot be opened is a ConfigError with the reason."""
    reasons = {tmp_path: "Is a directory", tmp_path / "x": "No such file or directory"}
    for path, reason in reasons.items():
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.problems == (f"{path}: cannot be read: {reason}",)
