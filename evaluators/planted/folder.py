"""evaluators/planted: a planted model as files: model folder, truth, suite, and claims about it as documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ..tasks.example import Split
from .model import Planted, PlantedClaim, Truth

DRAWS: tuple[tuple[Split, int], ...] = (("verification", 1), ("verification", 2), ("discovery", 1))
"""What a suite has examples of: enough to audit, to confirm, and to draft claims from."""


def save(planted: Planted, folder: Path, items: int = 120) -> None:
    """Write config.json, model.safetensors, tokenizer.json, truth.json and suite.jsonl (`items` examples a draw)."""
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = planted.module.config
    config.architectures = [type(planted.module).__name__]
    config.save_pretrained(folder)
    save_file(planted.module.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    planted.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "truth.json").write_text(json.dumps(asdict(planted.truth), indent=1) + "\n", encoding="utf-8")
    rows = "".join(json.dumps(row) + "\n" for row in _rows(planted, items))
    (folder / "suite.jsonl").write_text(rows, encoding="utf-8")


def read_truth(folder: Path) -> Truth:
    """The truth of a saved model."""
    found = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return Truth(**found | {"claims": tuple(PlantedClaim(**claim) for claim in found["claims"])})


def claim_documents(truth: Truth, folder: Path) -> dict[str, dict[str, Any]]:
    """Id -> claim document, ready to be written as YAML, of every claim of a model saved in `folder`, in their order.

    A claim that is false, and one whose truth differs under another intervention, reads like any other.
    """
    model = f"planted/{truth.kind.replace('_', '-')}-{truth.seed}"
    return {f"{model}-{i:02d}": _document(claim, folder) for i, claim in enumerate(truth.claims)}


def _rows(planted: Planted, items: int) -> Iterator[dict[str, Any]]:
    for split, draw in DRAWS:
        for example in planted.examples(items, draw=draw, split=split).examples:
            yield {
                "family": example.family,
                "template": example.template.partition("/")[2],
                "clean": example.clean,
                "corrupt": example.corrupt,
                "target": example.target,
                "wrong_target": example.wrong_target,
                "split": split,
                "draw": draw,
            }


def _document(claim: PlantedClaim, folder: Path) -> dict[str, Any]:
    expect = dict(claim.expect)
    said = {
        "top_component": f"{expect['component']} has the largest effect of its sweep.",
        "threshold": f"{expect['component']} has an effect of at {'least' if 'at_least' in expect else 'most'} "
        f"{expect.get('at_least', expect.get('at_most'))} nats.",
    }
    return {
        "statement": said[expect["form"]],
        "model": {"source": {"path": str(folder)}},
        "suite": {"jsonl": str(folder / "suite.jsonl")},
        "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": claim.granularity}},
        "counterfactual": {"intervention": claim.counterfactual},
        "robustness": [{"intervention": "mean" if claim.counterfactual == "zero" else "zero"}],
        "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
        "expect": expect,
        "threshold": {"high": 0.995, "medium": 0.95},
    }
