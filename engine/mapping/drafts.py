"""engine: claims drafted from a measured map: what stands out on the discovery split, to be tried on verification.

A draft is a guess that was made after looking, at prompts that no verification draw has. Its bounds leave room to what
was seen. Each is a claim that validates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...specs.claim import ClaimAdapter
from ...specs.errors import SpecError
from ...specs.load import validate
from ...specs.sites import granularity_of, parse_site
from ...specs.yaml_document import parse

LEAD = 1.1
"""Factor by which the strongest of a kind must lead the next, or else none stands out."""

ROOM = 1.5
"""Factor between what was seen and the bound of a draft."""

ALIVE = 1e-3
"""nats: of smaller effects no ratio is drafted."""

LEAST_BOUND = 1e-3
"""nats: no draft says that an effect is smaller; half precision could not show it."""

ROUND = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
"""Leading digits of bounds."""

CALLED = {"layer": "layer", "operator": "operator", "mlp": "MLP", "head": "head"}

TEMPLATE = """\
# Drafted by `mi-atlas map`. On the discovery split: {seen}.
claim: {claim}
statement: {statement}
model: {model}
suite: {suite}
metric: {{evaluator: ablation, quantity: kl, sites: {{granularity: {granularity}}}}}
counterfactual: {{intervention: zero}}
robustness: [{{intervention: mean}}, {{intervention: resample}}]
control: {{kind: {control}, draws: 20, ratio: 1.5}}
expect: {expect}
threshold: {{high: 0.995, medium: 0.95}}
tags: [extended]
threats:
  - Drafted after a look at the suite's discovery split. Its templates are in no verification draw; its families are.
"""


@dataclass(frozen=True)
class About:
    """What drafts are about."""

    name: str
    """The model, in prose."""
    folder: str
    """Of the drafts: the first part of their ids."""
    model: Any
    """A name, or a model spec as a document."""
    suite: str
    """Name of the suite."""


@dataclass(frozen=True)
class Draft:
    """Something that stands out."""

    id: str
    statement: str
    granularity: tuple[str, ...]
    expect: Mapping[str, Any]
    seen: str
    control: str = "matched_norm_noise"


NAMES = (*(f"draft-top-{kind}" for kind in CALLED), "draft-mlp-against-operator", "draft-spare-layer")
"""Every draft there can be, below its model's folder."""


def drafted(effects: Mapping[str, float], about: About) -> dict[str, str]:
    """Claim id -> the text of its file; `effects`: component -> typical KL over all families, nats.

    Raises:
        SpecError: a draft is no valid claim.
    """
    texts = {}
    for draft in _standing_out(effects, about.name):
        name = f"{about.folder}/{draft.id}"
        text = TEMPLATE.format(
            claim=name,
            statement=_flow(draft.statement),
            model=_flow(about.model),
            suite=_flow(about.suite),
            granularity=_flow(list(draft.granularity) if len(draft.granularity) > 1 else draft.granularity[0]),
            control=draft.control,
            expect=_flow(dict(draft.expect)),
            seen=draft.seen,
        )
        _, faults = validate(parse(text, Path(f"{name}.yaml")), ClaimAdapter)
        if faults:
            raise SpecError(faults)
        texts[name] = text
    return texts


def _standing_out(effects: Mapping[str, float], model: str) -> Iterator[Draft]:
    kinds: dict[str, dict[str, float]] = {}
    for label, value in effects.items():
        kinds.setdefault(granularity_of(label), {})[label] = value
    for kind in CALLED:
        yield from _top(kind, kinds.get(kind, {}), model)
    yield from _ratio(kinds.get("operator", {}), kinds.get("mlp", {}), model)
    yield from _spare(kinds.get("layer", {}), model)


def _top(kind: str, effects: Mapping[str, float], model: str) -> Iterator[Draft]:
    if len(effects) < 2:
        return
    (first, most), (second, next_) = sorted(effects.items(), key=lambda pair: -pair[1])[:2]
    if most < LEAD * next_:
        return
    doing = "Skipping" if kind == "layer" else "Zeroing"
    statement = (
        f"{doing} {_words(first)} of {model} changes its next-token predictions more than {doing.lower()} any other "
        f"{CALLED[kind]}."
    )
    seen = f"{first} {most:.3g} nats, then {second} {next_:.3g} nats"
    yield Draft(f"draft-top-{kind}", statement, (kind,), {"form": "top_component", "component": first}, seen)


def _ratio(operators: Mapping[str, float], mlps: Mapping[str, float], model: str) -> Iterator[Draft]:
    """In the layer where MLP and operator differ most, of those where neither is near nothing."""
    both = {layer: (f"L{layer}.mlp", f"L{layer}.operator") for layer in (parse_site(label).layer for label in mlps)}
    alive = {
        layer: math.log(mlps[mlp] / operators[operator])
        for layer, (mlp, operator) in both.items()
        if operator in operators and min(mlps[mlp], operators[operator]) >= ALIVE
    }
    if not alive:
        return
    layer, log_ratio = max(alive.items(), key=lambda pair: abs(pair[1]))
    bound = rounded(math.exp(abs(log_ratio)) / ROOM, up=False)
    if bound <= 1:
        return
    larger, smaller = both[layer] if log_ratio > 0 else both[layer][::-1]
    effects = {**operators, **mlps}
    of = f"In layer {layer} of {model} the {_part(larger)}"
    statement = f"{of} matters at least {bound:g} times as much as the {_part(smaller)}."
    expect = {
        "form": "ratio",
        "numerator": {"component": larger},
        "denominator": {"component": smaller},
        "at_least": bound,
    }
    seen = f"{larger} {effects[larger]:.3g} nats, {smaller} {effects[smaller]:.3g} nats"
    yield Draft("draft-mlp-against-operator", statement, ("operator", "mlp"), expect, seen)


def _spare(effects: Mapping[str, float], model: str) -> Iterator[Draft]:
    """Noise of the norm of an update that is next to nothing does nothing either, so that training is its control."""
    if len(effects) < 2:
        return
    label, least = min(effects.items(), key=lambda pair: pair[1])
    bound = max(rounded(ROOM * least, up=True), LEAST_BOUND)
    statement = (
        f"Skipping {_words(label)} of {model} typically changes its next-token predictions by at most {bound:g} nats."
    )
    expect = {"form": "threshold", "component": label, "at_most": bound}
    seen = f"{label} {least:.3g} nats"
    yield Draft("draft-spare-layer", statement, ("layer",), expect, seen, "untrained_model")


def rounded(value: float, up: bool) -> float:
    """The next number above, or below, a positive one that begins with one of ROUND."""
    power = math.floor(math.log10(value))
    steps = [float(f"{digits * 10.0**exponent:.3g}") for exponent in (power - 1, power, power + 1) for digits in ROUND]
    return min(step for step in steps if step >= value) if up else max(step for step in steps if step <= value)


def _words(label: str) -> str:
    site = parse_site(label)
    if site.granularity == "layer":
        return f"layer {site.layer}"
    return f"{'head ' + str(site.head) if site.granularity == 'head' else 'the ' + _part(label)} of layer {site.layer}"


def _part(label: str) -> str:
    return CALLED[granularity_of(label)]


def _flow(value: Any) -> str:
    """JSON, which is YAML on one line."""
    return json.dumps(value, ensure_ascii=False)
