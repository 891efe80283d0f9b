"""engine: `mi-atlas new`: a commented claim file that validates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..specs.claim import ClaimAdapter
from ..specs.library import Library
from ..specs.load import validate
from ..specs.sites import granularity_of
from ..specs.yaml_document import parse
from .errors import MachineError, UsageError
from .workspace import Workspace

QUESTIONS = {
    "statement": ("The claim, in one sentence", None),
    "model": ("Model (see `mi-atlas models list`)", None),
    "suite": ("Suite", "main-12"),
    "quantity": ("Metric: kl, target_logprob_drop or logit_diff_drop", "kl"),
    "counterfactual": ("Counterfactual: zero, mean or resample", "zero"),
    "control": ("Control: matched_norm_noise or untrained_model", "matched_norm_noise"),
    "component": ("Site the claim is about: L0, L3.operator, L3.mlp", None),
    "high": ("Confidence threshold for High", 0.995),
}

TEMPLATE = """\
# One claim. Hover over a field in an editor that reads the schema, or see docs/claims.md.
claim: {claim}
statement: {statement}
model: {model}                        # a name in specs/library/models, or an inline model spec
suite: {suite}                        # a name in specs/library/suites, or an inline suite spec
metric:
  evaluator: ablation
  quantity: {quantity}                # kl: KL(clean || ablated) at the answer position, nats
  sites: {{granularity: {granularity}}}
counterfactual: {{intervention: {counterfactual}}}   # what "without it" means
robustness: [{robustness}]
control: {{kind: {control}, draws: 20, ratio: 1.5}}   # must fail by this factor
positive_control: {{kind: skip_all_layers}}           # must move the metric
expect: {{{expect}, component: {component}, scope: in_suite}}
threshold: {{high: {high}, medium: 0.95}}             # one-sided confidences
threats: []                           # what could make this wrong?
tags: []
"""


def complete(
    workspace: Workspace, claim: str, given: Mapping[str, Any], at_least: float | None, at_most: float | None
) -> dict[str, Any]:
    """Every field of the template; what was not given is asked on the terminal."""
    import typer

    if at_least is not None and at_most is not None:
        raise UsageError("give one of --at-least and --at-most, or neither for a top_component claim")
    answers = {
        name: given[name] if given.get(name) is not None else typer.prompt(question, default=default)
        for name, (question, default) in QUESTIONS.items()
    }
    bound = {"at_least": at_least, "at_most": at_most}
    stated = [f"{name}: {value}" for name, value in bound.items() if value is not None]
    others = [value for value in ("zero", "mean", "resample") if value != answers["counterfactual"]]
    return {
        **answers,
        "claim": claim,
        "statement": json.dumps(answers["statement"], ensure_ascii=False),
        "granularity": granularity_of(str(answers["component"])),
        "robustness": ", ".join(f"{{intervention: {value}}}" for value in others),
        "expect": f"form: threshold, {stated[0]}" if stated else "form: top_component",
    }


def write_claim(workspace: Workspace, claim: str, fields: Mapping[str, Any]) -> Path:
    """Write the file, if what would be in it is a valid claim and no file is there.

    Raises:
        UsageError: the answers make no valid claim, or the claim exists.
    """
    folder = workspace.claims if not workspace.packaged else workspace.root / "claims"
    path = folder / f"{claim}.yaml"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"`{claim}` is no id of a claim: folder/name")
    if path.exists():
        raise UsageError(f"{path} exists; choose another id, or edit it")
    text = TEMPLATE.format(**fields)
    _, faults = validate(parse(text, path), ClaimAdapter)
    if faults:
        raise UsageError("these answers make no valid claim:\n" + "\n".join(str(fault) for fault in faults))
    _check_names(workspace, fields)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error})") from error
    return path


def _check_names(workspace: Workspace, fields: Mapping[str, Any]) -> None:
    library = Library(workspace.libraries)
    library.model(fields["model"])
    library.suite(fields["suite"])
