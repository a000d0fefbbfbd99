"""Laws of the YAML that is read: the core schema of 1.2, every node with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.config.document import (
    Items,
    Node,
    Place,
    RefusalError,
    Scalar,
    Section,
    find,
    parse,
    put,
    resolve,
    to_yaml,
)


def values(node: Node) -> Any:
    """A tree as plain mappings, lists and scalars."""
    if isinstance(node, Section):
        return {entry.key: values(entry.node) for entry in node.entries}
    return [values(one) for one in node.nodes] if isinstance(node, Items) else node.value


def faults(text: str) -> list[str]:
    """What is wrong with the form of a document."""
    try:
        return [str(one) for one in parse(text, "f")[1]]
    except RefusalError as refusal:
        return [str(one) for one in refusal.problems]


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_true_has_three_spellings(text: str) -> None:
    """True is written true, True or TRUE."""
    assert resolve(text) is True


@pytest.mark.parametrize(
    ("text", "number"),
    [("75e-6", 75e-6), ("1e6", 1e6), ("1E6", 1e6), ("-1.e+2", -100.0), (".5", 0.5), ("3.0", 3.0)],
)
def test_floats_need_no_dot_and_no_sign(text: str, number: float) -> None:
    """A number with a dot or an exponent is a float."""
    assert (resolve(text), type(resolve(text))) == (number, float)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("-12", -12), ("+3", 3), ("0o17", 15), ("0xff", 255)]
)
def test_integers_are_decimal_octal_or_hexadecimal(text: str, number: int) -> None:
    """Digits alone, 0o and 0x make integers."""
    assert (resolve(text), type(resolve(text))) == (number, int)


@pytest.mark.parametrize(
    "text",
    ["yes", "no", "on", "off", "y", "n", "Yes", "017", "1_000", "12:30", "1:2:3", "2024-01-01",
     "2024-01-01 12:00:00", "71-1-145", "0b11", "=", "1e", "0x", "e5", "tRUE", "nULL"],
)  # fmt: skip
def test_what_only_yaml_1_1_converts_stays_text(text: str) -> None:
    """Words, dates, and digits with anything odd between them are text."""
    assert resolve(text) == text


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_has_five_spellings(text: str) -> None:
    """Nothing, ~ and null are null."""
    assert resolve(text) is None


def test_quoted_scalars_are_text() -> None:
    """Quotes make text of anything."""
    node, _ = parse("- '1'\n- \"true\"\n- |-\n  null\n", "f")
    assert values(node) == ["1", "true", "null"]


def test_every_node_knows_its_place() -> None:
    """Line and column count from one, also inside lists on one line."""
    node, _ = parse("a: 1\nb:\n  - x\n  - [y, zz]\n", "f")
    outer = find(node, "b")
    assert isinstance(outer, Items)
    row = outer.nodes[1]
    assert isinstance(row, Items)
    inner = row.nodes[1]
    assert inner == Scalar(Place("f", 4, 9), "zz", "zz")


def test_duplicate_keys_name_both_places() -> None:
    """A key given twice is a fault at the second place that names the first."""
    assert faults("a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        "f:2:11: b.c: given twice, first at f:2:5; keep one of them",
        "f:3:1: a: given twice, first at f:1:1; keep one of them",
    ]


def test_an_alias_stands_for_its_anchor() -> None:
    """An alias has the value of its anchor."""
    node, problems = parse("a: &x {b: [1, 2]}\nc: *x\n", "f")
    assert (values(node)["c"], problems) == ({"b": [1, 2]}, [])


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a: *.cxi", 'text that begins with * needs quotes, as in "*.cxi"'),
        ("a: *cxi", 'text that begins with * needs quotes, as in "*.cxi"'),
        ("a: @cxi", "such text needs quotes"),
        ("a:\n\tb: 1", "indent with spaces"),
    ],
)
def test_text_without_the_quotes_it_needs(text: str, remedy: str) -> None:
    """The refusal says what helps."""
    with pytest.raises(RefusalError, match="not YAML") as told:
        parse(text, "f")
    assert str(told.value.problems[0]).endswith(f"; {remedy}")


def test_an_alias_may_not_contain_itself() -> None:
    """A cycle is a fault, not an endless loop."""
    assert faults("a: &x [1, *x]\n") == ["f:1:4: a[1]: an alias may not contain itself"]


def test_nested_aliases_cost_no_more_than_they_are_written() -> None:
    """Aliases of aliases are shared: 10^12 items are read from 13 lines."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 13)]
    node, problems = parse("\n".join(lines), "f")
    items = find(node, "a12")
    assert isinstance(items, Items)
    first, *others = items.nodes
    assert (len(others), problems) == (9, [])
    assert all(one is first for one in others)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\nb: 2\n", "f:2:1: not YAML: expected a single document in the stream, "
                              "but found another document"),
        ("a: [1\n", "f:2:1: not YAML: while parsing a flow sequence, expected ',' or ']', "
                    "but got '<stream end>'"),
        ("a: \x07", "f:1:4: the character U+0007 is not allowed in YAML"),
        ("a: !!python/name:os.system x", "f:1:4: a: the tag !!python/name:os.system is not "
                                         "supported; leave it out"),
        ("[1]: 2", "f:1:1: a key must be text"),
        ("<<: {a: 1}", "f:1:1: <<: merge keys are not part of YAML 1.2; write the keys out"),
        ("[" * 5000, "f:1:1: nested too deeply"),
    ],
)  # fmt: skip
def test_faults_of_form_have_a_place_and_a_reason(text: str, message: str) -> None:
    """What is no plain YAML document is told in one line."""
    assert faults(text) == [message]


def test_put_leaves_the_original_alone() -> None:
    """Putting a node makes a new tree; aliases of the changed section keep their value."""
    tree, _ = parse("a: &x {k: 1}\nb: *x\n", "f")
    changed = put(tree, ["a", "k"], Scalar(Place("--set a.k=2"), 2))
    assert values(changed) == {"a": {"k": 2}, "b": {"k": 1}}
    assert values(tree) == {"a": {"k": 1}, "b": {"k": 1}}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["1e6", "0o17", "yes", "null", "017", "~", ".inf", "a: b", "2024-01-01"]),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(st.text("abc.:#", min_size=1, max_size=4), children, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(PLAIN)
def test_what_is_written_reads_back(value: Any) -> None:
    """Reading is the inverse of writing, for all values and for text that looks like others."""
    node, problems = parse(to_yaml(value), "f")
    assert (values(node), problems) == (value, [])
