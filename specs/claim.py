"""specs: a claim, the document a person writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from . import controls, forms, interventions, kinds, metrics  # noqa: F401 - each registers its kinds
from .base import ClaimId, Many, Spec, Text
from .canonical import digest
from .metrics.base import ConditionMetric, Metric, SweptMetric
from .model import Model, NamedModel
from .references import name_or_inline
from .sites import granularity_of, is_condition
from .suite import Suite

kinds.load_plugins(kinds.ENTRY_POINTS)


NamedSuite = Annotated[
    Annotated[str, Tag("name")] | Annotated[Suite, Tag("inline")],
    Discriminator(name_or_inline),
]


class Published(Spec):
    """What was said before this audit."""

    grade: str
    """Free text: "High for JSON", "NEW"."""
    source: str
    """Where it was said."""
    every: Literal["family", "prompt"] | None = None
    """The published wording is universal ("all", "every", "none", "identical") over these: what is recorded refutes it
    as worded by one counterexample. It says nothing of evidence that is measured here."""
    sentences: Many[str] = ()
    """Ids of the published sentences that the claim puts to the test, as in specs/library/published."""


class Confidence(Spec):
    """One-sided confidences with which the bound must be cleared."""

    high: Annotated[float, Field(ge=0.99, lt=1)] = 0.995
    """For High; spent over all looks, half of it on refutation."""
    medium: Annotated[float, Field(ge=0.9, lt=1)] = 0.95
    """For Medium."""

    @model_validator(mode="after")
    def _ordered(self) -> Confidence:
        if self.medium > self.high:
            raise ValueError("medium must not exceed high")
        return self


class _Prose(Spec):
    """What people read; nothing here is hashed."""

    claim: ClaimId
    """Unique id: folder/name, as in the file's own path below claims/."""
    statement: Text
    """The claim, in one sentence."""
    published: Published | None = None
    """What was said before this audit."""
    twin: ClaimId | None = None
    """The same claim of a pocket model, which runs where this one's weights are not."""
    tags: Many[str] = ()
    """For selecting claims: `core` ones are audited by `make audit`."""
    threats: Many[str] = ()
    """What could make the claim wrong."""
    scope_note: str | None = None
    """Printed beside the grade, such as "for JSON"."""
    notes: str | None = None
    """Anything else."""


PROSE = frozenset(_Prose.model_fields)
"""Fields that people read."""


class MeasuredClaim(_Prose):
    """A claim that is measured: it names its metric, counterfactual, control and confidence threshold."""

    model: NamedModel
    """A name in specs/library/models, or an inline model spec."""
    suite: NamedSuite
    """A name in specs/library/suites, or an inline suite spec."""
    metric: kinds.one_of("metric")  # type: ignore[valid-type]
    """What is measured, and where."""
    counterfactual: kinds.one_of("intervention")  # type: ignore[valid-type]
    """What "without it" means."""
    robustness: Many[kinds.one_of("intervention")] = ()  # type: ignore[valid-type]
    """Other values of the intervention that must lead to the same conclusion; High needs at least one."""
    control: kinds.one_of("control")  # type: ignore[valid-type]
    """What must fail, and by which margin."""
    positive_control: kinds.one_of("positive_control") = controls.SkipAllLayers()  # type: ignore[valid-type]
    """What must move the metric, or else the metric is dead."""
    expect: kinds.one_of("expect")  # type: ignore[valid-type]
    """The form of the claim and its bound."""
    threshold: Confidence
    """The confidence with which the bound must be cleared."""

    @model_validator(mode="after")
    def _consistent(self) -> MeasuredClaim:
        for check in CHECKS:
            if problem := check(self):
                raise ValueError(problem)
        return self

    def estimand_hash(self, model: Model, suite: Suite, donor: Model | None = None) -> str:
        """What is measured, with the named models and suite in full (64 hex digits)."""
        other = {"donor": donor.model_dump(mode="json", exclude={"model", "notes"})} if donor else {}
        behaviour = {"behaviour"} if suite.behaviour is None else set()
        return digest(
            "estimand",
            {
                "model": model.model_dump(mode="json", exclude={"model", "notes"}),
                "suite": suite.model_dump(mode="json", exclude={"suite", "notes"} | behaviour),
                "metric": self.metric.model_dump(mode="json", exclude_defaults=True) | other,
                "counterfactual": self.counterfactual,
                "robustness": self.robustness,
                "control": self.control.model_dump(mode="json", exclude=set(_margin(self.control))),
                "positive_control": self.positive_control,
            },
        )

    @property
    def bound_hash(self) -> str:
        """What the estimate is held against: form, threshold, and the control's margin (64 hex digits)."""
        return digest("bound", {"expect": self.expect, "threshold": self.threshold, "margin": _margin(self.control)})


class CompositeClaim(_Prose):
    """A claim over other claims; it inherits metric, counterfactual, control and threshold from them."""

    expect: kinds.one_of("composite")  # type: ignore[valid-type]
    """The form, and the claims it rests on."""


Claim = MeasuredClaim | CompositeClaim


def _measured_or_composite(value: Any) -> str:
    expect = value.get("expect") if isinstance(value, dict) else getattr(value, "expect", None)
    form = expect.get("form") if isinstance(expect, dict) else getattr(expect, "form", None)
    return "composite" if form in kinds.tags("composite") else "measured"


ClaimAdapter: TypeAdapter[Claim] = TypeAdapter(
    Annotated[
        Annotated[MeasuredClaim, Tag("measured")] | Annotated[CompositeClaim, Tag("composite")],
        Discriminator(_measured_or_composite),
    ]
)
"""Validates a claim document; the form decides which of the two classes it is."""


def _margin(control: Any) -> dict[str, float]:
    return {name: getattr(control, name) for name in ("ratio", "difference") if hasattr(control, name)}


def _components(expect: Any) -> dict[str, str]:
    """Field -> site label or pattern."""
    if isinstance(expect, forms.Ratio):
        return {f"{side}.component": getattr(expect, side).component for side in ("numerator", "denominator")}
    if isinstance(expect, forms.Correlation | forms.SpreadRatio):
        return expect.places()
    return {"component": expect.component} if hasattr(expect, "component") else {}


def _labels(expect: Any) -> dict[str, str]:
    """Field -> every label that the expectation names, of components or of conditions."""
    sides = {f"{side}.component": getattr(expect, side) for side in ("test", "reference") if hasattr(expect, side)}
    several = {f"components[{i}]": each for i, each in enumerate(getattr(expect, "components", None) or ())}
    at = {"site": site} if (site := getattr(expect, "site", None)) else {}
    return _components(expect) | {field: side.component for field, side in sides.items()} | several | at


def check_conditions(claim: MeasuredClaim) -> str | None:
    """What is wrong with the conditions that the expectation names, beginning with the field; None if nothing is."""
    metric = claim.metric
    if not isinstance(metric, ConditionMetric):
        for field, label in _labels(claim.expect).items():
            if is_condition(label):
                return f"expect.{field} names `{label}`, which is no site: sites are `L3`, `L3.operator`, `L3.head2`"
        return None
    known = metric.conditions
    for field, label in _labels(claim.expect).items():
        if known is not None and label not in known:
            return f"expect.{field} names `{label}`, but metric {metric.evaluator} compares {', '.join(known)}"
    if getattr(claim.expect, "x", None) == "depth":
        return "expect.x is depth, which conditions do not have: it can be another quantity of the metric"
    return None


def _check_components(claim: MeasuredClaim) -> str | None:
    if not isinstance(claim.metric, SweptMetric):
        return None
    sites = claim.metric.sites
    for field, component in _components(claim.expect).items():
        named, _, at = component.partition("@")
        if granularity_of(component) not in sites.granularities:
            return f"expect.{field} names `{component}`, but metric.sites sweeps {', '.join(sites.granularities)} only"
        if (at or None) not in sites.classes:
            swept = ", ".join(each or "every token" for each in sites.classes)
            return f"expect.{field} names `{component}`, but metric.sites.positions sweeps {swept} only"
        if named.count("+") + 1 != sites.together:
            return f"expect.{field} names `{component}`, but metric.sites.together sweeps {sites.together} at once"
    return None


def _check_scale(claim: MeasuredClaim) -> str | None:
    quantity, logarithmic = claim.metric.quantity, claim.metric.kind.scale == "log"
    if not logarithmic and isinstance(claim.expect, forms.Ratio):
        positive = [name for name, kind in claim.metric.QUANTITIES.items() if kind.scale == "log"]
        needs = f"needs {' or '.join(positive)}" if positive else f"is not for evaluator {claim.metric.evaluator}"
        return f"metric.quantity {quantity} can be negative: form ratio compares on the log scale and {needs}"
    if logarithmic and isinstance(claim.expect, forms.Threshold):
        for field in ("at_least", "at_most"):
            if (bound := getattr(claim.expect, field)) is not None and bound <= 0:
                return f"expect.{field} {bound} is no bound on {quantity}: it must be positive"
    if isinstance(claim.expect, forms.Correlation) and claim.expect.x != "depth":
        others = {name: kind for name, kind in claim.metric.QUANTITIES.items() if name != quantity}
        known = [name for name, kind in others.items() if kind.scale != "share"]
        if claim.expect.x not in known:
            return f"expect.x is `{claim.expect.x}`, but it can be {', '.join(['depth', *known])} here"
    return None


def _check_interventions(claim: MeasuredClaim) -> str | None:
    metric: Metric = claim.metric
    values = {"counterfactual": claim.counterfactual} | {
        f"robustness[{i}]": value for i, value in enumerate(claim.robustness)
    }
    for field, value in values.items():
        if metric.interventions is not None and value.intervention not in metric.interventions:
            known = ", ".join(metric.interventions)
            return f"{field} is `{value.intervention}`, but evaluator {metric.evaluator} knows {known}"
    if metric.FORMS is not None and claim.expect.form not in metric.FORMS:
        return (
            f"expect.form is `{claim.expect.form}`, but evaluator {metric.evaluator} is for {', '.join(metric.FORMS)}"
        )
    if metric.CONTROLS is not None and claim.control.kind not in metric.CONTROLS:
        known = ", ".join(metric.CONTROLS)
        return f"control.kind is `{claim.control.kind}`, but evaluator {metric.evaluator} knows {known}"
    return None


def _check_robustness(claim: MeasuredClaim) -> str | None:
    values = [claim.counterfactual, *claim.robustness]
    against = getattr(claim.expect, "against", None)
    if any(value.intervention == against for value in values):
        return f"expect.against is `{against}`, which is compared with itself: that is one order, not two"
    if len({digest("intervention", value) for value in values}) < len(values):
        return "robustness repeats an intervention: the same value twice is no second method"
    return None


def _check_repeated(claim: MeasuredClaim) -> str | None:
    metric, expect = claim.metric, claim.expect
    form, repeated = expect.form, metric.repeated
    if isinstance(expect, forms.Efficiency | forms.Speed) and repeated is None:
        return f"form {form} compares whole trainings or sessions, which evaluator {metric.evaluator} does not repeat"
    if isinstance(expect, forms.Speed) and metric.kind.scale != "log":
        return f"form speed compares times or rates, which are positive; {metric.quantity} need not be"
    if isinstance(expect, forms.Efficiency) and expect.size not in metric.EXACT:
        known = ", ".join(metric.EXACT) or "nothing"
        return f"expect.size is `{expect.size}`, but evaluator {metric.evaluator} counts {known} exactly"
    if repeated and isinstance(expect, forms.Null | forms.Proportion | forms.RankStability):
        return f"form {form} is not for {repeated.what}; threshold bounds the mean over them"
    if repeated and any(getattr(value, "seed", 0) for value in (claim.counterfactual, *claim.robustness)):
        return f"an intervention's seed is that of the {repeated.what} here; leave it out"
    return None


CHECKS = (
    check_conditions,
    _check_components,
    _check_scale,
    _check_interventions,
    _check_robustness,
    _check_repeated,
)
"""Rules across fields; each gives what is wrong, beginning with the field."""
