"""tests: which runs controls and positive controls need, ours and another package's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mi_atlas.engine.controls import CheckRun, Effect, control_runs, elsewhere, positive_run
from mi_atlas.engine.memo import Memo
from mi_atlas.engine.needs import Resolved
from mi_atlas.engine.resolve import Resolver
from mi_atlas.engine.select import load
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.specs.controls import ResampleAllLayers, SkipAllLayers, WrongLayer
from mi_atlas.specs.sites import Frame, components

from .conftest import HUB, LAYERS, Desk, claim

HEADS = components(["head"], Frame(6, (4,) * 6))
ANYTHING: Any = None


def resolve(desk: Desk, document: dict[str, Any]) -> Resolved:
    desk.write("small/one", document)
    claims, library = load(desk.workspace)
    return Resolver(library, Memo({}, {}, desk.root), desk.root).resolve(claims["small/one"].claim, 1)


def test_a_wrong_layer_is_of_the_same_kind_at_the_same_tokens() -> None:
    frame = Frame(3, (2, 2, 2))
    sweep = components(["mlp", "head"], frame, (None, "last"))
    assert elsewhere("L1.mlp", sweep) == ["L0.mlp", "L2.mlp"]
    assert elsewhere("L1.head0@last", sweep) == ["L0.head0@last", "L0.head1@last", "L2.head0@last", "L2.head1@last"]
    assert elsewhere("L0+L1", components(["layer"], Frame(4), together=2)) == ["L2+L3"]


def test_draws_of_a_wrong_layer_are_distinct_and_the_same_every_time() -> None:
    effect = Effect("zero", 0, "L2.head1")
    runs = list(control_runs(WrongLayer(kind="wrong_layer"), ANYTHING, [effect], HEADS))
    assert [run.draw for run in runs] == list(range(20))
    drawn = [run.site for run in runs]
    assert set(drawn) == {head for head in HEADS if not head.startswith("L2.")}
    assert {(run.intervention, run.seed, run.effect) for run in runs} == {("zero", 0, effect)}
    assert drawn == [run.site for run in control_runs(WrongLayer(kind="wrong_layer"), ANYTHING, [effect], HEADS)]
    other = control_runs(WrongLayer(kind="wrong_layer"), ANYTHING, [effect._replace(seed=1)], HEADS)
    assert drawn != [run.site for run in other]


def test_too_few_other_layers_are_named(desk: Desk) -> None:
    with pytest.raises(NotEvaluated, match="wrong_layer needs 21 components like L2"):
        list(control_runs(WrongLayer(kind="wrong_layer", draws=21), ANYTHING, [Effect("zero", 0, "L2.head1")], HEADS))
    code, reason = resolve(desk, claim(control={"kind": "wrong_layer", "draws": 20})).absent["main"]
    assert code == "too_few_components"
    assert reason == f"wrong_layer needs 20 components like L{HUB} in other layers; the sweep has {LAYERS - 1}"


def test_what_positive_controls_run(desk: Desk) -> None:
    located = resolve(desk, claim()).located
    assert positive_run(SkipAllLayers(), located) == CheckRun("L*", "zero")
    resampled = positive_run(ResampleAllLayers(kind="resample_all_layers"), located)
    assert resampled == CheckRun("L0+L1+L2+L3", "resample")


def test_resampling_all_layers_is_another_estimand_with_the_same_answer(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.write("small/resampled", claim(positive_control={"kind": "resample_all_layers"}))
    result = desk.audit()
    assert {verdict.grade for verdict in result.verdicts.values()} == {"High"}
    (plan,) = desk.said.plans
    labels = [run.parts["site"] for step in plan.steps for run in step.runs if run.parts["site"].count("+") == 3]
    assert labels == ["L0+L1+L2+L3"] * 2


SPEC = '''"""A positive control of another package."""

from typing import Literal

from mi_atlas.specs.base import Spec
from mi_atlas.specs.kinds import kind


@kind("positive_control")
class SkipTheFirstMLP(Spec):
    """The MLP of layer 0 is skipped."""

    kind: Literal["skip_the_first_mlp"]
    """skip_the_first_mlp"""
'''

RUNS = '''"""What it runs."""

from mi_atlas.engine.controls import CheckRun, positive_control


@positive_control("skip_the_first_mlp")
def run(spec, model):
    return CheckRun("L0.mlp", "zero")
'''


def test_another_package_s_positive_control(desk: Desk, tmp_path: Path) -> None:
    package = tmp_path / "package"
    info = package / "assay-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "assay_specs.py").write_text(SPEC)
    (package / "assay_runs.py").write_text(RUNS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mi_atlas.specs]\nassay = assay_specs\n[mi_atlas.engine]\nassay = assay_runs\n"
    )
    desk.write("small/hub", claim(positive_control={"kind": "skip_the_first_mlp"}))
    program = "from mi_atlas.engine.cli import main; main()"
    typed = subprocess.run(
        [sys.executable, "-c", program, "audit"],
        cwd=desk.root,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert typed.returncode == 0, typed.stderr
    assert "1 claim: 1 High" in typed.stdout
    assert desk.type("validate")[0] == 3
