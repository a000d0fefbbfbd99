"""Laws of the JSON schema: it judges configs as the decoder does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.config.config import dump_config
from spring_mpi.config.document import Items, Node, Section, parse, to_yaml
from spring_mpi.config.forms import SectionForm
from spring_mpi.config.sections import Config
from spring_mpi.errors import ConfigError

jsonschema = pytest.importorskip("jsonschema")

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
LEAST = {"name": "a", "data": {"source": "x.npy"}, "pattern": {"cropsize": 64}}


@pytest.fixture(scope="module")
def validator() -> Any:
    """Of the committed schema."""
    schema = json.loads((CONFIGS / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def values(node: Node) -> object:
    """A document without its places."""
    if isinstance(node, Section):
        return {entry.key: values(entry.node) for entry in node.entries}
    return [values(item) for item in node.nodes] if isinstance(node, Items) else node.value


def read(text: str) -> object:
    """What a text says, by our rules of YAML."""
    tree, _ = parse(text, "c.yaml")
    return values(tree)


def changed(path: str, value: object) -> dict[str, Any]:
    """The shortest config with one value more."""
    document = json.loads(json.dumps(LEAST))
    *sections, key = path.split("/")
    inner = document
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[key] = value
    return document


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_configs_are_right_and_name_the_schema(validator: Any, path: Path) -> None:
    """Every config of the project is valid, and its first line leads editors to the schema."""
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=schema.json"
    assert (path.parent / "schema.json").exists()
    validator.validate(read(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_effective_config_is_right(
    validator: Any, load: Callable[..., Config], path: Path
) -> None:
    """What a run directory keeps is valid, too."""
    config = load(path.read_text(encoding="utf-8"))
    validator.validate(read(dump_config(config)))


def keys(form: dict[str, Any]) -> list[str]:
    """The keys of all sections of a schema, as paths."""
    properties = form.get("properties", {})
    below = [f"{name}/{key}" for name, inner in properties.items() for key in keys(inner)]
    return [*properties, *below]


def test_every_key_is_described(validator: Any) -> None:
    """An editor has something to say about every key."""
    for path in keys(validator.schema):
        inner = validator.schema
        for key in path.split("/"):
            inner = inner["properties"][key]
        assert inner.get("description"), path


RIGHT = [
    ("name", "run34_a.b"),
    ("events", "all"),
    ("events", {"slice": "-5:"}),
    ("events", {"slice": "::2"}),
    ("events", {"pids": ["71-1-145", [71, 1, 146], 7]}),
    ("events", {"pids": "71-1"}),
    ("events", {"slice": None, "list": "hits.txt"}),
    ("events", {"where": "sum > 1e5 and not damaged"}),
    ("part", "2/5"),
    ("data/source", ["a.h5", "b.h5"]),
    ("data/reader", "loader.py:load"),
    ("data/mask", {"file": "m.npy", "bad": 1}),
    ("data/mask", [{"bad_bits": 5}, {"dataset": "m", "good": 0}]),
    ("data/mask", None),
    ("data/geometry", "g.geom"),
    ("data/geometry", {"file": "g.h5", "quadrants": [[0, 1]] * 4, "first_module": 3}),
    ("data/gain_bits", "none"),
    ("pattern/center", [1, 2.5]),
    ("pattern/center", {"dataset": "/c"}),
    ("pattern/center", "auto"),
    ("pattern/satvalue", "auto"),
    ("pattern/background", [1, 2, 3]),
    ("pattern/background", "dark.npy"),
    ("pattern/gain", {"file": "g.h5", "dataset": "g"}),
    ("pattern/satvalue", 3e4),
    ("settings", None),
    ("settings/SW/area", None),
    ("sweep/over", {"init.supportsize": [50, 60], "DE.align": [True, False]}),
    ("workers/device", "cuda:1"),
    ("workers", None),
]
WRONG = [
    ("sede", 1),
    ("name", "a b"),
    ("name", ".."),
    ("name", 5),
    ("seed", -1),
    ("seed", 2**63),
    ("seed", "1"),
    ("seed", None),
    ("output", ""),
    ("steering", "all"),
    ("part", "2"),
    ("events", None),
    ("events", "some"),
    ("events", {}),
    ("events", {"list": "a", "slice": ":"}),
    ("events", {"slice": "5"}),
    ("events", {"slice": "::0"}),
    ("events", {"pids": []}),
    ("events", {"pids": ["x"]}),
    ("events", {"pids": [[]]}),
    ("events", {"pid": [1]}),
    ("data", None),
    ("data/source", []),
    ("data/sorce", "x.npy"),
    ("data/reader", None),
    ("data/run", -1),
    ("data/follow", 0),
    ("data/mask", "m.npy"),
    ("data/mask", {"file": "m.npy"}),
    ("data/mask", {"bad": 1, "good": 0}),
    ("data/mask", {"bad_bits": 0}),
    ("data/mask", {"bad_bits": 2**64}),
    ("data/mask", {"bad": "1"}),
    ("data/mask", {"bda": 1}),
    ("data/geometry", {"quadrants": [[0, 1]] * 4}),
    ("data/geometry", {"file": "g.h5", "quadrants": [[0, 1]]}),
    ("data/geometry", 5),
    ("data/gain_bits", "agipd"),
    ("pattern/center", 5),
    ("pattern/center", [1]),
    ("pattern/cropsize", 1),
    ("pattern/cropsize", 64.5),
    ("pattern/background", []),
    ("pattern/background", None),
    ("pattern/gain", 0),
    ("pattern/gain", [1, 0]),
    ("pattern/gain", {}),
    ("pattern/gain", {"value": 2}),
    ("pattern/satvalue", "high"),
    ("settings", []),
    ("settings/global/gpus", 1),
    ("settings/global/popsize", 3),
    ("settings/init/gama", 1),
    ("settings/init/gamma", 2),
    ("settings/init/shape", "disk"),
    ("settings/DE/align", 1),
    ("sweep/over", {"init.gama": [1]}),
    ("sweep/over", {"init.gamma": []}),
    ("sweep/over", {"init.gamma": 1}),
    ("sweep/over", {"init.gamma": [1, 2]}),
    ("sweep/over", {"global.threads": [1]}),
    ("workers/device", "cuda0"),
    ("workers/timeout", 0),
    ("workers/timeout", "0:10:00"),
    ("workers/pack", 65),
]


@pytest.mark.parametrize(("path", "value"), RIGHT)
def test_what_is_right_is_so_for_both(
    validator: Any, load: Callable[..., Config], path: str, value: Any
) -> None:
    """Every form of a value that the reference names is accepted by decoder and schema."""
    document = changed(path, value)
    validator.validate(document)
    load(to_yaml(document))


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_what_is_wrong_is_so_for_both(
    validator: Any, load: Callable[..., Config], path: str, value: Any
) -> None:
    """Unknown keys, wrong types and values out of range fail in decoder and schema."""
    document = changed(path, value)
    assert not validator.is_valid(document)
    with pytest.raises(ConfigError):
        load(to_yaml(document))


@pytest.mark.parametrize("path", ["name", "data", "pattern", "data/source", "pattern/cropsize"])
def test_what_is_missing_is_so_for_both(
    validator: Any, load: Callable[..., Config], path: str
) -> None:
    """The required keys are required by decoder and schema."""
    document = json.loads(json.dumps(LEAST))
    *sections, key = path.split("/")
    del (document[sections[0]] if sections else document)[key]
    assert not validator.is_valid(document)
    with pytest.raises(ConfigError):
        load(to_yaml(document))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64) | st.floats(-9, 9)
    | st.sampled_from(["", "all", "a", "1-2", "0:5", "1/2", "cpu", "owner", "none", "sum > 1"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["file", "dataset", "bad", "slice", "pids", "init.items"]),
                      inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(path=st.sampled_from(keys(SectionForm(Config).schema())), value=VALUES)
def test_the_schema_refuses_nothing_that_the_decoder_takes(
    validator: Any, load: Callable[..., Config], path: str, value: Any
) -> None:
    """An editor underlines no config that runs."""
    document = changed(path, value)
    try:
        load(to_yaml(document))
    except ConfigError:
        return
    validator.validate(document)
