"""tests: planted models as folders: loaded like any model, measured and graded by the whole engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.models.load import load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.planted import KINDS
from mi_atlas.evaluators.planted.folder import claim_documents, read_truth, save
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.planted.model import Planted
from mi_atlas.evaluators.tasks import generate
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.suite import Suite

from ...engine.conftest import Desk

MEASURED = {"qwen2": ("induction", 0), "llama": ("backup_head", 0), "lfm2": ("tie", 0)}


def planted_desk(root: Path, planted: Planted) -> tuple[Desk, dict[str, dict[str, Any]]]:
    """A workspace with the model's folder, and a file for every claim of its truth."""
    save(planted, root / "model")
    documents = claim_documents(planted.truth, Path("model"))
    desk = Desk(root)
    for name, document in documents.items():
        desk.write(name, document)
    return desk, documents


@pytest.mark.parametrize("architecture", MEASURED)
def test_a_saved_model_loads_like_any_other(architecture: str, tmp_path: Path) -> None:
    planted = build(*MEASURED[architecture])
    assert planted.truth.architecture == architecture
    save(planted, tmp_path / "model")
    located = locate(Model(source=Source(path="model")), tmp_path)
    assert isinstance(located, Located)
    assert located.layers == planted.truth.layers
    loaded = load(located)
    assert type(loaded.module) is type(planted.module)
    prompts = torch.tensor([e.clean_ids for e in planted.examples(30).examples if e.template.endswith("t05")])
    logits = [module(input_ids=prompts, use_cache=False).logits for module in (loaded.module, planted.module)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("kind", KINDS)
def test_the_suite_of_a_folder_is_the_model_s_examples(kind: str, tmp_path: Path) -> None:
    planted = build(kind, 2)
    save(planted, tmp_path)
    assert read_truth(tmp_path) == planted.truth
    suite = Suite(jsonl="suite.jsonl")
    for split, draw, templates in (("verification", 1, 30), ("verification", 2, 30), ("discovery", 1, 10)):
        (block,) = generate(suite, planted.tokenizer, split, draw, tmp_path)  # type: ignore[arg-type]
        assert block.examples == planted.examples(draw=draw, split=split).examples  # type: ignore[arg-type]
        assert not block.rejected
        assert len({example.template for example in block.examples}) == templates


def test_an_audit_upholds_the_true_claims_of_a_hub_and_refutes_the_false_ones(tmp_path: Path) -> None:
    planted = build("single_hub", 0)
    desk, documents = planted_desk(tmp_path, planted)
    result = desk.audit()
    assert set(result.verdicts) == set(documents)
    for name, claim in zip(documents, planted.truth.claims, strict=True):
        verdict = result.verdicts[name]
        if claim.holds and claim.expect["form"] == "top_component":
            assert verdict.grade == "High", verdict.reason
        elif claim.holds:
            assert verdict.grade != "Refuted", verdict.reason
        else:
            assert verdict.grade == "Refuted", verdict.reason


@pytest.mark.parametrize(("kind", "seed"), [("dead_layer", 3), ("tie", 1), ("backup_head", 0), ("norm_explosion", 0)])
def test_an_audit_calls_nothing_false_high_and_nothing_true_refuted(kind: str, seed: int, tmp_path: Path) -> None:
    planted = build(kind, seed)
    desk, documents = planted_desk(tmp_path, planted)
    verdicts = desk.audit().verdicts
    for name, claim in zip(documents, planted.truth.claims, strict=True):
        wrong = ("Refuted",) if claim.holds else ("High", "Medium")
        assert verdicts[name].grade not in wrong, verdicts[name].reason
    if kind == "tie":
        assert {verdicts[name].code for name in list(documents)[:2]} == {"exact_tie"}
