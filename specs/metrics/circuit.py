"""specs: a named circuit: what a few components do without all others, and all others without them.

Formulas and sources: `evaluators/circuit.py`, `evaluators/circuit_scores.py`, `evaluators/independence.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from ..base import Many
from ..controls import DrawnControl, Draws
from ..interventions import Intervention
from ..kinds import kind
from ..sites import SITE_KINDS, Frame, SiteKind, SiteLabel, parse_component
from .base import LOGITS, NATS, PLAIN, SHARE, Metric

ABOUT = {
    "incompleteness": "subsets",
    "cpr": "curve",
    "cmd": "curve",
    "loss_recovered": "loss",
    "dependence": "independence",
}
"""Quantities that take passes of their own -> which; the others are measured together."""

CONVOLUTION: tuple[SiteKind, ...] = ("conv_gate", "conv_carrier", "conv_signal", "conv", "out_proj")

INSIDE: dict[str, tuple[SiteKind, ...]] = {
    "layer": tuple(kind for kind in SITE_KINDS if kind != "layer"),
    "operator": ("head", "q_proj", "k_proj", "v_proj", "o_proj", *CONVOLUTION),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    "o_proj": ("head",),
}
"""Kind of component -> kinds that are parts of one, so that no universe has both."""


@kind("metric")
class CircuitMetric(Metric):
    """What of the answer a circuit carries, when the rest of a universe of components is ablated."""

    QUANTITIES: ClassVar = {
        "faithfulness": SHARE,
        "necessity": SHARE,
        "kl": NATS,
        "circuit_wins": PLAIN,
        "least_member": LOGITS,
        "incompleteness": LOGITS,
        "cpr": SHARE,
        "cmd": SHARE,
        "loss_recovered": SHARE,
        "dependence": PLAIN,
    }
    INTERVENTIONS = ("zero", "mean", "resample", "corrupt")
    CONTROLS = ("random_circuit", "untrained_model")
    DISCOVERY = True

    evaluator: Literal["circuit"]
    """circuit"""
    quantity: Literal[
        "faithfulness",
        "necessity",
        "kl",
        "circuit_wins",
        "least_member",
        "incompleteness",
        "cpr",
        "cmd",
        "loss_recovered",
        "dependence",
    ]
    """With LD = logit(target) - logit(wrong target) at the answer position, C the circuit, M the model, and 0 the model
    with the whole universe ablated: faithfulness: LD(C) - LD(0) as a share of LD(M) - LD(0), all but the circuit
    ablated. necessity: LD(M) - LD(M without C) as a share of the same. kl: KL(M || C), nats. circuit_wins: 1 where
    LD(C) > LD(M); equivalence means one half. least_member: LD(C) - LD(C without v), logits, for the member v of which
    that is least on the discovery examples: in a minimal circuit it is large. incompleteness: the mean over random
    subsets K of C of |LD(C without K) - LD(M without K)|, logits: near 0 where the circuit is complete. cpr: the area
    under the faithfulness of circuits of 1, 2, 4, ... components, over their share of the universe; the circuit's
    members come first, then the others, each ranked by single ablations of discovery examples. cmd: the area between
    that curve, ranked by size of effect, and 1: at most so much. loss_recovered: log p(C) - log p(at random) of the
    target as a share of log p(M) - log p(at random), at random being after other prompts of the family;
    under resample it is the loss that causal scrubbing recovers. dependence: normalised HSIC of LD(M) and LD(M without
    C) over the examples of a family, as jackknife pseudo-values: 0 where what is left without the circuit says nothing
    about how the model answers, 1 where it says all; for suites of 4 families or more."""
    granularity: SiteKind | Many[SiteKind]
    """The universe: every component of these kinds; what is of another kind stays as it is."""
    circuit: SiteLabel
    """The circuit's members, such as L1.head0+L4.head2."""

    @property
    def granularities(self) -> tuple[SiteKind, ...]:
        """The granularities, always as a tuple."""
        return self.granularity if isinstance(self.granularity, tuple) else (self.granularity,)

    @model_validator(mode="after")
    def _of_the_universe(self) -> CircuitMetric:
        for whole in self.granularities:
            if part := next((kind for kind in INSIDE.get(whole, ()) if kind in self.granularities), None):
                raise ValueError(
                    f"granularity has {whole} and {part}, which is a part of it: ablating one ablates both"
                )
        if "residual" in self.granularities:
            raise ValueError("granularity has residual: the stream is no component, it carries what all of them wrote")
        if self.quantity == "dependence" and self.only != "all":
            raise ValueError("dependence is of all examples of a family at once: it has no part over those that count")
        members = parse_component(self.circuit)
        if members.positions:
            raise ValueError(f"circuit `{self.circuit}` names tokens: a circuit is ablated at every token")
        if len(set(members.sites)) < len(members.sites):
            raise ValueError(f"circuit `{self.circuit}` names a member twice")
        for site in members.sites:
            if site.granularity not in self.granularities:
                universe = ", ".join(self.granularities)
                raise ValueError(f"circuit has {site.label}, but granularity is {universe} only")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """The circuit."""
        return (self.circuit,)

    def settings(self) -> dict[str, Any]:
        """The universe, and what takes passes of its own."""
        about = {"about": ABOUT[self.quantity]} if self.quantity in ABOUT else {}
        return {"granularity": list(self.granularities), **about}


@kind("intervention")
class Corrupt(Intervention):
    """An ablated component has the activations of the aligned corrupt prompt."""

    intervention: Literal["corrupt"]
    """corrupt"""


@kind("control")
class RandomCircuit(DrawnControl):
    """Circuits of as many components of each kind, drawn at random: no two the same, none the claim's own.

    For cpr and cmd the whole order is drawn, so that they match in size at every size.
    """

    TWISTED = True
    kind: Literal["random_circuit"]
    """random_circuit"""
    draws: Draws = 20
    """Distinct circuits, of which the universe must have so many."""
