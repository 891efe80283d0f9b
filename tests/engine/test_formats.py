"""tests: the claims table in every format, and how a grade stands against a published one."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from mi_atlas.engine import formats
from mi_atlas.engine.cli import app
from mi_atlas.engine.errors import UsageError
from mi_atlas.engine.report import ORDERS, Row, against_published, narrowed, page_links
from mi_atlas.engine.terminal import run

from .conftest import Desk, claim

NASTY = 'L0 <b>wins</b> & "50% of_it" | {x} \\ ^~ $1 `y`\nnext'


def row(claim: str = "a/b", **changes: object) -> Row:
    made = {
        "statement": NASTY,
        "grade": "High (for JSON)",
        "evidence": "=L0 <= 3.1x",
        "q": 0.0004,
        "published": "High",
        "source": "a page",
        "changed": "as published",
        "model": "small",
        "tags": ("core", "gem"),
        "details": f"claims/{claim}.html",
    }
    return Row(claim=claim, **(made | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grade", "published", "said"),
    [
        ("High", "High for JSON", "as published"),
        ("Medium", "Medium-high", "as published"),
        ("High", "Medium-high", "as published"),
        ("Refuted", "High negative result", "lower"),
        ("Medium", "High", "lower"),
        ("High", "Medium", "higher"),
        ("Pending", "High", "not decided"),
        ("Pending", "pending", "as published"),
        ("High", "NEW", ""),
        ("High", "highly likely", ""),
        ("not audited", "High", ""),
    ],
)
def test_against_what_was_published(grade: str, published: str, said: str) -> None:
    assert against_published(grade, published) == said


def test_rows_are_narrowed_and_sorted() -> None:
    table = [
        row("a/pending", grade="Pending", changed="not decided", q=None, model=""),
        row("a/medium", grade="Medium (post hoc)", changed="lower", q=0.5),
        row("a/high", changed="as published", q=0.7, model="big"),
        row("a/new", grade="Refuted", changed="", q=0.1),
    ]
    assert [each.claim for each in narrowed(table, changed=True)] == ["a/pending", "a/medium"]
    assert [each.claim for each in narrowed(table, ["medium", "HIGH"])] == ["a/medium", "a/high"]
    assert [each.claim for each in sorted(table, key=ORDERS["grade"])] == ["a/high", "a/medium", "a/new", "a/pending"]
    assert [each.claim for each in sorted(table, key=ORDERS["q"])] == ["a/new", "a/medium", "a/high", "a/pending"]
    assert [each.claim for each in sorted(table, key=ORDERS["model"])] == ["a/high", "a/medium", "a/new", "a/pending"]
    with pytest.raises(UsageError, match="`Hihg` is no grade"):
        narrowed(table, ["Hihg"])


def test_markdown_keeps_its_columns() -> None:
    head, rule, line = formats.markdown([row()]).splitlines()
    bare = line.replace("\\\\", "").replace("\\|", "")
    assert head.count("|") == rule.count("|") == bare.count("|") == 7
    assert "<b>" not in line
    assert line.endswith("[a/b](claims/a/b.html) |")


def test_html_shows_markup_as_text() -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.text = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tags.append(tag)

        def handle_data(self, data: str) -> None:
            self.text += data

    reader = Reader()
    reader.feed(formats.html([row(changed="lower")]))
    assert set(reader.tags) == {"table", "thead", "tbody", "tr", "th", "td", "a"}
    assert NASTY in reader.text
    assert "High (now lower)" in reader.text


def test_latex_leaves_no_special_character_bare() -> None:
    line = next(line for line in formats.latex([row()]).splitlines() if "href" in line)
    told = line.partition(r"\href")[0]
    for escaped in (r"\_", r"\%", r"\&", r"\$", r"\{", r"\}"):
        assert escaped in told
        told = told.replace(escaped, "")
    for word in (
        "textbackslash",
        "textasciicircum",
        "textasciitilde",
        "textasciigrave",
        "textless",
        "textgreater",
        "textbar",
    ):
        told = told.replace(f"\\{word}{{}}", "")
    assert told.count("&") == 5, "only the columns' own"
    assert not set("\\{}$%#_^~<>|`") & set(told)


def test_csv_is_safe_in_a_spreadsheet_and_json_is_whole() -> None:
    (found,) = csv.DictReader(io.StringIO(formats.csv_text([row()])))
    assert found["evidence"] == "'=L0 <= 3.1x"
    assert found["statement"] == NASTY
    assert found["tags"] == "core gem"
    (document,) = json.loads(formats.json_text([row()], {}))
    assert document["verdict"] is None
    assert document["changed"] == "as published"


def test_links_lead_into_a_report() -> None:
    assert page_links("https://there/atlas/")("a/b") == "https://there/atlas/claims/a/b.html"
    assert page_links("")("a/b") == "claims/a/b.html"


def test_the_command(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    desk.write("small/hub", claim(published={"grade": "Medium", "source": "a page"}))
    desk.write("small/quiet", claim("L0", statement="Layer 0 | matters.", tags=["core"]))
    monkeypatch.chdir(desk.root)

    def typed(*words: str) -> str:
        capsys.readouterr()
        assert run(app, ("table", *words)) == 0
        return capsys.readouterr().out

    desk.audit("small/hub")
    for format in ("markdown", "html", "latex", "csv", "json"):
        assert typed("-f", format) == typed("-f", format) != ""
    assert "[small/hub](claims/small/hub.yaml)" in typed("-f", "markdown")
    assert "(site/claims/small/hub.html)" in typed("-f", "markdown", "--links", "site")
    assert [row["claim"] for row in json.loads(typed("-f", "json", "--changed"))] == ["small/hub"]
    assert [row["claim"] for row in json.loads(typed("-f", "json", "--grade", "not audited"))] == ["small/quiet"]
    assert json.loads(typed("-f", "json", "--grade", "High"))[0]["changed"] == "higher"
    assert run(app, ("table", "--sort", "colour")) == 3
