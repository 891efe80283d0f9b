"""engine: where a claim's numbers come from, and what was asked, as pairs of words. Imported only by `report`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...evaluators.models.locate import NONE, Located
from ...specs.canonical import digest
from ...specs.claim import CompositeClaim
from ...specs.metrics.base import Sites, SweptMetric
from ...specs.model import Model
from ..grade import intervention_label
from ..grade.words import component, number, several

if TYPE_CHECKING:
    from ...evaluators.models.locate import Absent
    from ...specs.claim import Claim
    from ...store import RecordedVerdict, RunInfo
    from ..audit import Audit
    from ..history import Histories
    from ..needs import Resolved


class Fact(NamedTuple):
    """A name, and what it is here."""

    name: str
    value: str
    code: bool = False
    """Whether it is a digest or a word of the language of claims."""


def model_label(model: str | Model) -> str:
    """A model's name; of one that is written out in a claim, all that makes it another model."""
    if isinstance(model, str):
        return model
    source = model.source
    name = model.model or source.hub or source.pocket or f"folder {source.path}"
    number_format = model.dtype if model.dtype != "float32" else None
    return ", ".join(filter(None, (name, source.revision, number_format, model.quantization, model.adapter)))


def model_page(name: str) -> str:
    """A model's page in a report."""
    slug = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")
    own = slug if slug == name else f"{slug}-{digest('page', name)[:8]}"
    return f"models/{own}.html"


def asked(claim: Claim, resolved: Resolved | None) -> tuple[Fact, ...]:
    """The estimand, its arms and its bound, field by field."""
    expect = claim.expect.model_dump(mode="json", exclude={"form"}, exclude_none=True)
    form = Fact("form", f"{claim.expect.form}: {_said(expect)}")
    if isinstance(claim, CompositeClaim) or resolved is None:
        return (form,)
    metric, kind = claim.metric, claim.metric.kind
    suite = claim.suite if isinstance(claim.suite, str) else claim.suite.suite or "a suite of its own"
    prompts = sum(len(block.examples) for block in resolved.blocks)
    size = f"; {prompts} prompts in {len(resolved.blocks)} families, draw {resolved.draw}" if prompts else ""
    settings = metric.model_dump(mode="json", exclude={"evaluator", "quantity", "sites"}, exclude_defaults=True)
    unit = f", in {kind.unit}" if kind.unit else ""
    scale = {"log": "compared on the log scale", "linear": "compared as it is", "share": "a ratio of means"}[kind.scale]
    control = claim.control.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return (
        Fact("model", model_label(claim.model)),
        Fact("suite", f"{suite}{size}"),
        Fact("quantity", f"{metric.quantity}{unit}, {scale} (evaluator {metric.evaluator})"),
        *((Fact("where", _where(metric.sites)),) if isinstance(metric, SweptMetric) else ()),
        *((Fact("settings", _said(settings)),) if settings else ()),
        Fact("counterfactual", intervention_label(claim.counterfactual)),
        Fact("robustness", several([intervention_label(value) for value in claim.robustness])),
        Fact("control", f"{claim.control.kind}: {_said(control)}"),
        Fact("positive control", claim.positive_control.kind),
        form,
        Fact("confidence", f"{claim.threshold.high:g} for High, {claim.threshold.medium:g} for Medium, one-sided"),
    )


def provenance(
    state: Audit,
    resolved: Resolved,
    stored: RecordedVerdict | None,
    infos: Mapping[str, RunInfo],
    histories: Histories,
) -> tuple[Fact, ...]:
    """Digests, versions and dates of what the grade rests on."""
    facts: list[Fact] = []
    if stored:
        facts += [
            Fact("graded", f"{_minute(stored.recorded_at)}, audit {stored.audit_id}"),
            Fact("claim digest", stored.claim_hash, True),
            Fact("evidence digest", stored.evidence_digest, True),
        ]
    registered = state.registrations.estimands.get(resolved.estimand, {}).get("registered", {}).get(resolved.bound)
    if registered:
        facts.append(Fact("registered", _minute(registered)))
    dated = [state.registrations.measured[item] for item in resolved.data if item in state.registrations.measured]
    if dated:
        facts.append(Fact("data first measured", _minute(min(dated))))
    return (*facts, *_runs(resolved, infos), *_model(resolved.located))


def _runs(resolved: Resolved, infos: Mapping[str, RunInfo]) -> Iterable[Fact]:
    found = [infos[key] for key in sorted(resolved.keys) if key in infos]
    groups = {(run.group.evaluator, run.group.version) for run in resolved.runs.values()}
    if groups:
        yield Fact("evaluators", ", ".join(f"{name} version {version}" for name, version in sorted(groups)))
    if resolved.blocks:
        yield Fact("prompts digest", digest("blocks", [block.digest for block in resolved.blocks]), True)
    if not resolved.keys:
        return
    yield Fact("runs", f"{len(found)} of {len(resolved.keys)} in the ledger")
    if found:
        times = sorted(info.measured_at for info in found)
        yield Fact("runs measured", f"{_minute(times[0])} to {_minute(times[-1])}")
        yield Fact("machine time", f"{number(sum(info.seconds for info in found), 3)} s")
        yield Fact("device", ", ".join(sorted({info.device for info in found})))
        versions = Counter(f"{name} {value}" for info in found for name, value in info.versions.items())
        yield Fact("versions", ", ".join(sorted(versions)))


def model_facts(place: Located | Absent) -> tuple[Fact, ...]:
    """What a model is, and whether it is here."""
    spec = place.spec
    if not isinstance(place, Located):
        remedy = f"; `{place.command}`" if place.command else ""
        return (Fact("not here", f"{place.message}{remedy}"), *([Fact("notes", spec.notes)] if spec.notes else []))
    heads = sorted({count for count in place.heads if count})
    without = sum(not count for count in place.heads)
    facts = [
        Fact("architecture", place.architecture),
        Fact("layers", f"{place.layers}{f', {without} of them without attention' if without else ''}"),
        *([Fact("heads a layer", ", ".join(map(str, heads)))] if heads else []),
        Fact("weights on disk", f"{place.bytes / 1e6:.1f} MB"),
        *([Fact("notes", spec.notes)] if spec.notes else []),
    ]
    return (*facts, *_model(place))


def _model(place: Located | Absent) -> Iterable[Fact]:
    if isinstance(place, Located):
        for name, value in place.parts.items():
            if value != NONE:
                yield Fact(f"model {name.replace('_', ' ')}", value, len(value) == 64)


def _where(sites: Sites) -> str:
    """`every layer`, `every two layers at once, at last and subject tokens`."""
    together = {1: "", 2: "two ", 3: "three "}[sites.together]
    kinds = several([f"{kind}s" if together else str(kind) for kind in sites.granularities])
    classes = [each for each in sites.classes if each]
    at = f", at {several(list(classes))} tokens" if classes else ""
    return f"every {together}{kinds}{' at once' if together else ''}{at}"


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def _said(value: Any) -> str:
    """A document in one line: `component L0, at least 0.7`."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_said(part)}" for name, part in value.items())
    if isinstance(value, list):
        return several([_said(part) for part in value])
    return f"{value:g}" if isinstance(value, float) else component(str(value))
