"""specs: what YAML means, and where it says it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mi_atlas.specs.yaml_document import parse, read

FILE = Path("x.yaml")


@pytest.mark.parametrize(
    ("plain", "value"),
    [  # YAML 1.2.2, section 10.3.2, and what YAML 1.1 made of the same words
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, word) for word in ("no", "No", "yes", "on", "off", "y", "n", "tRUE", "nULL", "None")],
        *[
            ("0", 0),
            ("-0", 0),
            ("+12", 12),
            ("012", 12),
            ("0o14", 12),
            ("0x1F", 31),
            ("9223372036854775807", 2**63 - 1),
        ],
        *[("1e-3", 0.001), ("-1.5", -1.5), (".5", 0.5), ("5.", 5.0), ("1E+2", 100.0), ("0.95", 0.95), ("012.5", 12.5)],
        *[
            (word, word)
            for word in ("1_000", "12:30:00", "190:20:30", "2024-01-01", "0b11", "-0x1", "0o8", "1e", ".", "-x", "+")
        ],
        *[(word, word) for word in ("1.2.3", "L1", "inf", "nan", "1e3x", "==", "=", "é")],
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(plain: str, value: Any) -> None:
    data = parse(f"field: {plain}\n", FILE).data
    assert data == {"field": value}
    assert type(data["field"]) is type(value)


@pytest.mark.parametrize("quoted", ['"no"', "'1'", '"~"', "'true'", '"1e-3"', "'<<'", '""'])
def test_quoted_scalars_are_text(quoted: str) -> None:
    assert parse(f"field: {quoted}\n", FILE).data == {"field": quoted[1:-1]}
    assert parse(f"{quoted}: 1\n", FILE).data == {quoted[1:-1]: 1}


def test_block_text_and_folded_text_are_text() -> None:
    assert parse("a: |\n  1\nb: >\n  2\n  3\n", FILE).data == {"a": "1\n", "b": "2 3\n"}


def test_every_value_and_every_name_has_its_place() -> None:
    document = parse("# c\na: 1\nbé: {c: [x,\n  {d: y}]}\n", FILE)
    assert document.data == {"a": 1, "bé": {"c": ["x", {"d": "y"}]}}
    places = {
        (): (2, 1),
        ("a",): (2, 4),
        ("bé",): (3, 5),
        ("bé", "c"): (3, 9),
        ("bé", "c", 0): (3, 10),
        ("bé", "c", 1): (4, 3),
        ("bé", "c", 1, "d"): (4, 7),
        ("bé", "c", 1, "missing"): (4, 3),
        ("missing", "too"): (2, 1),
    }
    for path, place in places.items():
        assert (document.place(path).line, document.place(path).column) == place
    name = document.place(("bé", "c", 1)).keys["d"]
    assert (name.line, name.column) == (4, 4)


def test_values_are_found_by_path() -> None:
    document = parse("a: [{b: 2}]\n", FILE)
    assert document.get(("a", 0, "b")) == 2
    assert document.get(("a", 1)) is document.get(("x", "y")) is document.get(("a", "b")) is None


def test_an_alias_repeats_the_value_and_points_into_the_original() -> None:
    document = parse("a: &noise {kind: n, draws: 20}\nb: [*noise, *noise]\n", FILE)
    assert document.data == {"a": {"kind": "n", "draws": 20}, "b": [{"kind": "n", "draws": 20}] * 2}
    assert (document.place(("b", 1)).line, document.place(("b", 1)).column) == (2, 13)
    assert (document.place(("b", 1, "draws")).line, document.place(("b", 1, "draws")).column) == (1, 28)


def test_of_two_fields_with_one_name_the_first_stays() -> None:
    document = parse("a: 1\na: {b: 1, b: 2}\n", FILE)
    assert document.data == {"a": 1}
    assert [(fault.line, fault.where) for fault in document.faults] == [(2, "a"), (2, "a.b")]


def test_byte_order_mark_and_windows_lines_are_read() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb: x\r\n", FILE)
    assert document.data == {"a": 1, "b": "x"}
    assert (document.place(("a",)).column, document.place(("b",)).line) == (4, 2)


def test_messages_do_not_carry_control_characters_of_the_file() -> None:
    (fault,) = parse('a: !t "\\e[31m"\n"\\n": &x [*x]\n', FILE).faults[:1]
    assert str(fault).isprintable()
    document = parse('"\\e[31m\\n": &x [*x]\n', FILE)
    assert str(document.faults[0]).startswith("x.yaml:1:17: \\x1b[31m\\n[0]: ")


def test_what_is_no_file_is_a_fault(tmp_path: Path) -> None:
    broken, pipe = tmp_path / "link.yaml", tmp_path / "pipe.yaml"
    broken.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    for path, words in {tmp_path: "a folder", broken: "missing, or a broken link", pipe: "no regular file"}.items():
        (fault,) = read(path).faults
        assert str(fault).startswith(f"{path}:1:1: cannot be read: it is {words}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1\n")
    path.chmod(0)
    (fault,) = read(path).faults
    assert "Permission denied" in fault.problem
