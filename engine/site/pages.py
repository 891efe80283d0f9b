"""engine: a report's material as files: each page carries its style and script, and asks nothing of anybody.

The same ledger and claims give the same bytes. Imported only by `report`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ...evaluators.models.locate import Located
from ..errors import MachineError
from ..grade.words import number, quantity
from ..report import GRADES, NEGATIVE, NOT_AUDITED, summary
from .maps import STEPS, HeatMap, shade
from .material import ClaimView, Material
from .provenance import model_facts

MANIFEST = ".mi-atlas-report"
"""The file that lists what was written into a folder, so that a page of a claim that is gone is taken away."""

MOST_CHANGES = 40
"""Changes of grades that the first page tells of; each claim's own page has all of its."""

MOST_NAMES, MOST_LONG_NAMES = 16, 6
"""Names below a map."""

CELL_TEXT_AT_MOST = 12
"""Columns of a map up to which its cells hold their numbers."""


def write_site(found: Material, folder: Path) -> list[Path]:
    """Write the pages into a folder and take away those of an earlier report that are no longer there.

    Raises:
        MachineError: the folder cannot be written, or holds files that no report wrote under the names of its pages.
    """
    pages = {"index.html": _index(found)}
    pages |= {view.page: _claim(found, view) for view in found.claims.values()}
    pages |= {model.page: _render("model.html", model.page, found, model=model) for model in found.models}
    before = _manifest(folder)
    try:
        for name, text in pages.items():
            path = folder / name
            if path.exists() and name not in before:
                raise MachineError(f"{path} is there already, and no report wrote it; give another folder with --out")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        for name in sorted(before - pages.keys()):
            (folder / name).unlink(missing_ok=True)
        (folder / MANIFEST).write_text(json.dumps(sorted(pages), indent=0) + "\n", encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{folder}: the report cannot be written ({error})") from error
    return [folder / name for name in pages]


def render_map(name: str, place: Located, maps: Iterable[HeatMap], suite: str, drafts: Iterable[str]) -> str:
    """The page of one model's map, made outside of any ledger."""
    import mi_atlas

    about = {"name": name, "facts": model_facts(place), "suite": suite, "maps": maps, "drafts": drafts}
    page = _environment().get_template("map.html")
    return page.render(up="", found={"version": mi_atlas.__version__, "at": ""}, **about)


def _manifest(folder: Path) -> set[str]:
    """What an earlier report wrote; names that lead out of the folder are left alone."""
    path = folder / MANIFEST
    if not path.is_file():
        return set()
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        return {name for name in names if isinstance(name, str) and _inside(name)}
    except (OSError, ValueError, TypeError) as error:
        raise MachineError(f"{path}: cannot be read ({error}); give another folder with --out") from error


def _inside(name: str) -> bool:
    path = Path(name)
    return path.suffix == ".html" and not path.is_absolute() and ".." not in path.parts


def _index(found: Material) -> str:
    views = list(found.claims.values())
    threats: dict[str, list[ClaimView]] = {}
    for view in views:
        for threat in view.claim.threats:
            threats.setdefault(threat, []).append(view)
    moved = [(view, step) for view in views for step in view.steps if step.moved]
    moved.sort(key=lambda pair: (-pair[1].audit, pair[0].name))
    sections = (
        ("high", "What survives", "Every condition of High is met.", _of(views, "High")),
        (
            "medium",
            "What holds with reservations",
            "The bound is cleared, and a condition of High is not met: it is named.",
            _of(views, "Medium"),
        ),
        (
            "refuted",
            "What did not hold",
            "The evidence excludes the claim. These are results like the others.",
            _of(views, "Refuted"),
        ),
    )
    return _render(
        "index.html",
        "index.html",
        found,
        sections=sections,
        counts=[(grade, len(_of(views, grade))) for grade in (*GRADES, NOT_AUDITED)],
        said=summary([view.row for view in views]),
        gems=[view for view in views if view.gem],
        nulls=[view for view in views if view.verdict and NEGATIVE in view.verdict.qualifiers and view.holds],
        pending=_pending(views),
        unaudited=_of(views, NOT_AUDITED),
        threats=sorted(threats.items(), key=lambda pair: (-len(pair[1]), pair[0])),
        moved=moved[:MOST_CHANGES],
        moved_in_all=len(moved),
        republished=[view for view in views if view.row.changed not in ("", "as published")],
        tags=sorted({tag for view in views for tag in view.row.tags}),
    )


def _claim(found: Material, view: ClaimView) -> str:
    related = [found.claims[name] for name in (*view.rests_on, *view.serves)]
    same_model = [other for other in found.claims.values() if view.model and other.model == view.model]
    return _render(
        "claim.html",
        view.page,
        found,
        view=view,
        rests_on=[each for each in related if each.name in view.rests_on],
        serves=[each for each in related if each.name in view.serves],
        beside=max(len(same_model) - 1, 0),
        model_page={model.name: model.page for model in found.models}.get(view.model, ""),
    )


def _pending(views: Iterable[ClaimView]) -> list[tuple[str, list[ClaimView], list[tuple[str, list[ClaimView]]]]]:
    """Code of a reason, the claims with a reason of their own, and those of each reason that several share."""
    codes: dict[str, dict[str, list[ClaimView]]] = {}
    for view in _of(views, "Pending"):
        reasons = codes.setdefault(view.verdict.code if view.verdict else "", {})
        reasons.setdefault(view.row.evidence, []).append(view)
    return [
        (
            code,
            [view for alike in reasons.values() if len(alike) == 1 for view in alike],
            [(reason, alike) for reason, alike in sorted(reasons.items()) if len(alike) > 1],
        )
        for code, reasons in sorted(codes.items())
    ]


def _of(views: Iterable[ClaimView], grade: str) -> list[ClaimView]:
    return [view for view in views if view.grade == grade]


def _render(template: str, page: str, found: Material, **more: Any) -> str:
    return _environment().get_template(template).render(up="../" * page.count("/"), found=found, **more)


@cache
def _environment() -> Environment:
    loader = PackageLoader("mi_atlas.engine.site")
    made = Environment(autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"number": number, "quantity": quantity, "minute": _minute, "slug": _slug}
    made.filters |= {"code": _code_words, "said": _said}
    made.globals |= {
        "shade": shade,
        "steps": STEPS,
        "cells": _cells,
        "ticks": _ticks,
        "policy": _policy,
        "grades": GRADES,
    }
    for name in ("style.css", "script.js"):
        made.globals[name.partition(".")[0]] = Markup(loader.get_source(made, name)[0])
    return made


def _cells(drawn: HeatMap, row: int) -> list[dict[str, Any]]:
    """The cells of a row: where they are, how dark, what they hold."""
    width = 100 / len(drawn.columns)
    shown = len(drawn.columns) <= CELL_TEXT_AT_MOST
    return [
        {
            "x": round(place * width, 3),
            "width": round(width, 3),
            "middle": round((place + 0.5) * width, 3),
            "shade": "none" if value is None else shade(value),
            "text": "" if value is None or not shown else _short(value),
            "name": f"{drawn.rows[row]}, {column}: {'not measured' if value is None else quantity(value, 'nats')}",
        }
        for place, (column, value) in enumerate(zip(drawn.columns, drawn.values[row], strict=True))
    ]


def _ticks(drawn: HeatMap) -> list[tuple[float, str]]:
    """Names of columns that fit below a map, at their middles in percent; of heads, where each layer begins."""
    width = 100 / len(drawn.columns)
    middles = [round((place + 0.5) * width, 3) for place in range(len(drawn.columns))]
    named = list(zip(middles, drawn.columns, strict=True))
    if drawn.kind == "head":
        named = [(middle, name.partition(".")[0]) for middle, name in named if name.endswith(".head0")]
    elif drawn.kind != "positions":
        named = [(middle, name.removeprefix("head ").partition(".")[0]) for middle, name in named]
    return named[:: -(-len(named) // (MOST_LONG_NAMES if drawn.kind == "positions" else MOST_NAMES))]


def _short(value: float) -> str:
    """At most four characters: `12`, `1.2`, `.12`, `.01`, and a dot for less than .005."""
    if value >= 9.95:
        return f"{value:.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    return "·" if value < 0.005 else f"{value:.2f}".removeprefix("0")


def _policy() -> Markup:
    """The content security policy of every page: its own style and script by their digests, and nothing else."""
    made = _environment().globals
    style, script = (_sha(str(made[name])) for name in ("style", "script"))
    return Markup(
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def _slug(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text.lower())


def _said(text: str) -> Markup:
    """A reason, in which what stands between backticks is typed."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _code_words(code: str) -> str:
    """A machine-readable reason in words: `weights_missing`."""
    return code.replace("_", " ").capitalize() or "No reason"
