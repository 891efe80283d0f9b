"""tests: the atlas as a static site, made from a real ledger of a small workspace."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from mi_atlas.engine import memo
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.cli import app
from mi_atlas.engine.errors import MachineError
from mi_atlas.engine.grade.words import number, quantity
from mi_atlas.engine.site.material import Material, material
from mi_atlas.engine.site.pages import write_site
from mi_atlas.engine.site.provenance import model_label, model_page
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.terminal import run
from mi_atlas.specs.model import Model

from .browser import PROGRAM, Browser
from .conftest import FAMILIES, HUB, LAYERS, Desk, claim, furnished
from .pages import HEADINGS, Page, colours, contrast

NASTY = '<script>alert("x")</script> & <img src=x onerror=alert(1)> </title> {{ 7 * 7 }}'


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Desk:
    """A workspace with a claim of every grade, and one of which every text holds markup."""
    desk = furnished(tmp_path_factory.mktemp("site"), model_folder)
    published = {"grade": "High", "source": "an earlier page"}
    desk.write("small/hub", claim(tags=["core", "gem"], published=published, threats=["The prompts are synthetic."]))
    desk.write("small/wrong", claim("L0", published=published))
    quiet = {"form": "threshold", "component": "L0", "at_most": 50.0}
    desk.write(
        "small/quiet",
        claim(statement=NASTY, expect=quiet, notes=NASTY, threats=[NASTY], scope_note=NASTY, tags=[NASTY]),
    )
    heads = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "head"}}
    desk.write("small/head", claim("L2.head0", metric=heads))
    for name in ("far", "farther"):
        desk.write(f"small/{name}", claim(model={"source": {"path": "nowhere"}}))
    desk.write(
        "small/both", {"statement": "Both.", "expect": {"form": "composite", "claims": ["small/hub", "small/wrong"]}}
    )
    desk.audit()
    desk.write("small/new", claim(f"L{HUB - 1}", statement="Not audited."))
    return desk


def read(desk: Desk) -> Material:
    return material(Audit(desk.workspace, Options(graded_only=True), Silent()))


@pytest.fixture(scope="module")
def found(audited: Desk) -> Material:
    return read(audited)


@pytest.fixture(scope="module")
def folder(found: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    write_site(found, folder)
    return folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, Page]:
    return {path.relative_to(folder).as_posix(): Page(path) for path in sorted(folder.rglob("*.html"))}


def test_there_is_a_page_for_everything(pages: dict[str, Page], found: Material) -> None:
    claims = {
        f"claims/small/{name}.html" for name in ("hub", "wrong", "quiet", "head", "far", "farther", "both", "new")
    }
    models = {model.page for model in found.models}
    assert set(pages) == {"index.html"} | claims | models
    assert {model.name for model in found.models} == {"small", "folder nowhere"}
    assert {view.grade for view in found.claims.values()} >= {"High", "Refuted", "Pending", "not audited"}


def test_every_link_resolves_and_none_leads_out(pages: dict[str, Page], folder: Path) -> None:
    followed = 0
    for page in pages.values():
        for link in page.links:
            if link == "data:,":
                continue
            address, _, fragment = link.partition("#")
            assert ":" not in address, link
            assert not address.startswith("/"), link
            target = (page.path.parent / address).resolve() if address else page.path
            assert target.is_relative_to(folder.resolve()), f"{page.path}: {link}"
            assert target.is_file(), f"{page.path}: {link}"
            if fragment:
                assert fragment in pages[target.relative_to(folder.resolve()).as_posix()].ids
            followed += 1
    assert followed > 50


def test_pages_are_well_formed_and_accessible(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert page.faults == [], name
        assert page.all("html")[0].attributes["lang"] == "en"
        assert page.all("title")[0].words.strip()
        assert len(page.ids) == len(set(page.ids))
        levels = [HEADINGS.index(heading.tag) for heading in page.all(*HEADINGS)]
        assert [place for place, level in enumerate(levels) if level == 0] == [0], f"{name}: one h1, before all others"
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), name
        assert all(heading.words.strip() for heading in page.all(*HEADINGS))
        assert all(link.words.strip() for link in page.all("a"))
        fields = {id(each) for label in page.all("label") if label.words.strip() for each in label.inside}
        assert all(id(each) in fields for each in page.all("input", "select")), name
        hidden = {
            id(each)
            for above in page.elements
            if above.attributes.get("aria-hidden") == "true"
            for each in above.inside
        }
        for svg in page.all("svg"):
            said = svg.attributes.get("role") == "img" and svg.attributes.get("aria-label", "").strip()
            assert said or svg.attributes.get("aria-hidden") == "true" or id(svg) in hidden, name
        assert not [each for each in page.elements if any(word.startswith("on") for word in each.attributes)], name
        assert not [each for each in page.elements if "style" in each.attributes], (
            "the policy allows no style attribute"
        )


def test_colours_can_be_read(pages: dict[str, Page]) -> None:
    for theme, named in colours(pages["index.html"].all("style")[0].words).items():
        for ink in ("ink", "soft", "link", "high", "medium", "refuted", "pending", "none"):
            for paper in ("paper", "raised") if ink in ("ink", "soft", "link") else ("paper",):
                assert contrast(named[ink], named[paper]) >= 4.5, (theme, ink, paper)
        for badge in ("high", "refuted"):
            assert contrast(named["onfill"], named[badge]) >= 4.5, (theme, badge)
        first_light_on = {"light": range(7, 10), "dark": range(6)}[theme]
        for shade in range(10):
            text = named["hlight" if shade in first_light_on else "hdark"]
            assert contrast(text, named[f"h{shade}"]) >= 4.5, (theme, shade)
        steps = [contrast(named[f"h{shade}"], named["paper"]) for shade in range(10)]
        assert steps == sorted(steps), f"{theme}: darker must mean more"


def test_markup_is_shown_as_text(pages: dict[str, Page]) -> None:
    page = pages["claims/small/quiet.html"]
    assert page.all("h1")[0].words == NASTY
    assert page.all("body")[0].words.count(NASTY) >= 4
    for each in (page, pages["index.html"], pages["models/small.html"]):
        assert len(each.all("script")) == 1
        assert not each.all("img")
        assert "alert" not in each.all("script")[0].words
        assert NASTY in each.all("body")[0].words
    options = [option.words for option in pages["index.html"].all("option")]
    assert NASTY in options


def test_the_same_ledger_gives_the_same_bytes(audited: Desk, folder: Path, tmp_path: Path) -> None:
    write_site(read(audited), tmp_path)
    for path in sorted(folder.rglob("*.html")):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes(), path


def test_figures_say_what_the_verdict_says(found: Material) -> None:
    view = found.claims["small/hub"]
    verdict = view.verdict
    assert verdict is not None
    assert verdict.lower is not None
    assert verdict.upper is not None
    assert verdict.estimate is not None
    arms, families, control, sweep = view.figures
    own = next(line for line in arms.lines if line.marked)
    assert own.text == f"{quantity(verdict.estimate, 'x')} [{number(verdict.lower)}, {number(verdict.upper)}]"
    assert [line.label for line in arms.lines] == ["zero", "mean"]
    assert [line.label for line in families.lines] == sorted(FAMILIES)
    assert families.lines[0].strip.count('class="unit"') == 30
    assert control.lines[1].strip.count('class="draw"') == 20
    assert [line.label for line in sweep.lines if line.marked] == [f"L{HUB}"]
    assert len(sweep.lines) == LAYERS


def test_no_prompt_is_generated_for_what_was_not_audited(audited: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = audited.write("small/newer", claim(suite={"families": ["copying"], "templates": 10, "items": 11}))
    monkeypatch.setattr(memo, "infos_of", None)
    assert read(audited).claims["small/newer"].grade == "not audited"
    with pytest.raises(TypeError):
        Audit(audited.workspace, Options(), Silent())
    newer.unlink()


def test_maps_are_means_of_logs_of_what_was_measured(audited: Desk, found: Material) -> None:
    state = Audit(audited.workspace, Options(), Silent())
    resolved = state.resolved["small/hub"]
    address = next(each for each in resolved.series if each[:4] == ("effect", "main", "zero", f"L{HUB}"))
    values = state.ledger.values(resolved.keys)
    wanted = {
        block.family: math.exp(np.log(np.maximum(values[key]["kl"], 1e-4)).mean())
        for block, key in zip(resolved.blocks, resolved.series[address], strict=True)
    }
    small = next(model for model in found.models if model.name == "small")
    layers = next(drawn for drawn in small.maps if drawn.kind == "layer")
    assert layers.rows == tuple(sorted(FAMILIES))
    assert layers.columns == tuple(f"L{layer}" for layer in range(LAYERS))
    column = layers.columns.index(f"L{HUB}")
    assert [row[column] for row in layers.values] == pytest.approx([wanted[family] for family in layers.rows])
    assert layers.strongest[0] == f"L{HUB}"
    grid = next(drawn for drawn in small.maps if drawn.kind == "head grid")
    assert (len(grid.rows), len(grid.columns)) == (LAYERS, 4)


def test_sections_hold_what_they_say(pages: dict[str, Page], found: Material) -> None:
    page = pages["index.html"]
    sections = {
        each.attributes["aria-labelledby"]: each for each in page.all("section") if "aria-labelledby" in each.attributes
    }
    listed = {
        name: [each.attributes["data-claim"] for each in section.inside if "data-claim" in each.attributes]
        for name, section in sections.items()
    }
    for grade in ("High", "Medium", "Refuted"):
        assert listed[grade.lower()] == [name for name, view in found.claims.items() if view.grade == grade]
    assert "small/wrong" in listed["refuted"]
    assert {"small/far", "small/farther", "small/new"} <= set(listed["pending"])
    shared = found.claims["small/far"].row.evidence
    assert shared == found.claims["small/farther"].row.evidence
    assert [each.words for each in page.all("p")].count(shared.replace("`", "")) == 1, "said once of both"
    assert "L2 matters most" in sections["gems"].words
    assert "The prompts are synthetic." in sections["threats"].words
    assert "High (an earlier page), now" in sections["story"].words
    assert set().union(*map(set, listed.values())) == set(found.claims)


def test_models_that_differ_have_pages_of_their_own() -> None:
    sources = ({"hub": "a/b"}, {"hub": "a/b", "revision": "v1"}, {"path": "a/b"}, {"pocket": "small"})
    models = [Model.model_validate({"source": source}) for source in sources]
    models += [
        Model.model_validate({"source": {"hub": "a/b"}, **more}) for more in ({"dtype": "bfloat16"}, {"adapter": "x"})
    ]
    labels = [model_label(model) for model in models]
    assert labels == ["a/b", "a/b, v1", "folder a/b", "small", "a/b, bfloat16", "a/b, x"]
    pages = {model_page(label) for label in [*labels, "small", "A/b", "a-b", "../../etc"]}
    assert len(pages) == 9
    assert all(page.count("/") == 1 and ".." not in page for page in pages)


def test_a_claim_that_was_edited_is_marked(audited: Desk, tmp_path: Path) -> None:
    path = audited.root / "claims" / "small" / "wrong.yaml"
    before = path.read_text()
    try:
        audited.write("small/wrong", claim("L1"))
        found = read(audited)
        causes = [cause.text for cause in found.claims["small/wrong"].stale]
        assert causes == ["spec: expect.component L0 -> L1"]
        assert found.claims["small/hub"].stale == ()
        assert [cause.category for cause in found.claims["small/both"].stale] == ["spec", "claims"]
        write_site(found, tmp_path)
        assert "Changed since it was graded" in (tmp_path / "claims" / "small" / "wrong.html").read_text()
    finally:
        path.write_text(before)


def test_only_its_own_pages_are_taken_away_or_replaced(found: Material, tmp_path: Path) -> None:
    write_site(found, tmp_path)
    mine = tmp_path / "claims" / "notes.html"
    mine.write_text("mine")
    (tmp_path / ".mi-atlas-report").write_text(
        json.dumps(["index.html", "claims/gone.html", "../out.html", "/etc/x.html"])
    )
    (tmp_path / "claims" / "gone.html").write_text("old")
    outside = tmp_path.parent / "out.html"
    outside.write_text("not ours")
    for path in [*(tmp_path / "claims" / "small").iterdir(), *(tmp_path / "models").iterdir()]:
        path.unlink()
    write_site(found, tmp_path)
    assert mine.read_text() == "mine"
    assert outside.read_text() == "not ours"
    assert not (tmp_path / "claims" / "gone.html").exists()
    foreign = tmp_path / "elsewhere"
    foreign.mkdir()
    (foreign / "index.html").write_text("somebody's")
    with pytest.raises(MachineError, match="no report wrote it"):
        write_site(found, foreign)
    assert (foreign / "index.html").read_text() == "somebody's"


def test_the_command(
    audited: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(audited.root)
    assert run(app, ("report", "--out", str(tmp_path / "site"))) == 0
    assert "index.html" in capsys.readouterr().out
    assert run(app, ("report", "small/hub", "--out", str(tmp_path / "site"))) == 0
    assert [path.name for path in (tmp_path / "site" / "claims" / "small").iterdir()] == ["hub.html"]


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")
def test_in_a_browser(folder: Path, found: Material) -> None:
    with Browser() as browser:
        for path in sorted(folder.rglob("*.html")):
            for width, dark in ((390, False), (1440, True)):
                browser.visit(path, width, dark)
                assert browser.requests == [path.as_uri()]
                assert browser.complaints == []
                assert browser.run("document.documentElement.scrollWidth") <= width, (
                    f"{path} scrolls sideways at {width}"
                )
                assert browser.screenshot()[:8] == b"\x89PNG\r\n\x1a\n"
        browser.visit(folder / "index.html", 1440)
        count = len(found.claims)
        assert browser.run("document.querySelector('output').value") == f"{count} of {count} claims"
        for field, value, wanted in (
            ("grade", "Refuted", {"Refuted"}),
            ("words", "not audited.", {"not audited"}),
            ("words", "nowhere", {"Pending"}),
            ("tag", "gem", {"High"}),
        ):
            script = f"""(function () {{
              var form = document.getElementById("filter");
              form.reset(); form.elements[{json.dumps(field)}].value = {json.dumps(value)};
              form.dispatchEvent(new Event("input", {{bubbles: true}}));
              return Array.from(document.querySelectorAll("[data-claim]:not([hidden])")).map(row => row.dataset.grade);
            }})()"""
            assert set(browser.run(script)) == wanted, field
