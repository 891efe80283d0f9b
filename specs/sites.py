"""specs: the vocabulary of sites, the places of a model where an intervention acts.

A label names one site over all architectures, layers and heads counted from 0:

    L3            the decoder layer: what the whole block adds to the residual stream
    L3.operator   its token mixer: self-attention or short convolution
    L3.mlp        its feed-forward part
    L3.head2      one attention head: its slice of the output projection's *input*
    L3.residual   the residual stream entering the layer; `L<n>.residual`, with n layers, entering the final norm
    L3.q_proj     a module's output: q_proj, k_proj, v_proj, o_proj; gate_proj, up_proj, down_proj; of a gated short
                  convolution out(C * conv(B * x)): conv_gate (B), conv_carrier (C), conv_signal (x), conv, out_proj

A component is what one intervention acts on: a site, several at once, at all tokens or at those of one class:

    L1+L3                 two layers in one pass
    L3.operator@last      the operator, at the last token only
    L1.head0+L4.head2     a circuit of two heads

`*` in place of the number stands for every layer. Which of these a model has, its anatomy knows.

Some metrics compare no sites but conditions, which they name themselves, in lower case: a training recipe or a number
format, such as `atlas_guided`, `nf4`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

Granularity = Literal["layer", "operator", "mlp"]
"""The sites that every layer of every architecture has."""

GRANULARITIES: tuple[Granularity, ...] = ("layer", "operator", "mlp")

SiteKind = Literal[
    "layer",
    "operator",
    "mlp",
    "head",
    "residual",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "conv_gate",
    "conv_carrier",
    "conv_signal",
    "conv",
    "out_proj",
]
"""Every kind of site; an architecture may lack some."""

SITE_KINDS: tuple[SiteKind, ...] = get_args(SiteKind)

PositionClass = Literal["first", "last", "subject", "delimiter", "operator_token", "answer"]
"""first, last: the prompt's first and last token. subject: the tokens on which the answer depends, those in which the
corrupt prompt differs. delimiter: brackets, quotes, commas, colons, semicolons, full stops and line ends.
operator_token: signs of arithmetic, comparison and assignment. answer: tokens before the last that are the answer's
first token."""

POSITION_CLASSES: tuple[PositionClass, ...] = get_args(PositionClass)

ALL_LAYERS = "L*"
"""Every decoder layer at once: one intervention that acts on all of them."""

_KINDS = "|".join(kind for kind in SITE_KINDS if kind not in ("layer", "head"))
_PART = rf"(\.({_KINDS}|head[0-9]{{1,3}}))?"
_SITE = rf"L[0-9]{{1,3}}{_PART}"
_AT = rf"(@({'|'.join(POSITION_CLASSES)}))?"
_TOGETHER = rf"{_SITE}(\+{_SITE})*"

SiteLabel = Annotated[str, Field(pattern=rf"^{_TOGETHER}{_AT}$")]
"""One component a claim may name: `L3`, `L3.operator`, `L3.head2`, `L1+L3`, `L3.operator@last`."""

SitePattern = Annotated[str, Field(pattern=rf"^({_TOGETHER}|L\*(\.({_KINDS}|head))?){_AT}$")]
"""One component, or with `L*` those of every layer, whose effects are averaged within each example."""


_CONDITION = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"

ConditionName = Annotated[str, Field(pattern=rf"^{_CONDITION}$", max_length=40)]
"""How a metric names one of its conditions: `atlas_guided`, `nf4`, `r8`."""

EffectLabel = Annotated[str, Field(pattern=rf"^({_TOGETHER}{_AT}|{_CONDITION})$")]
"""What a claim says something of: a component, or a condition of its metric."""

EffectPattern = Annotated[str, Field(pattern=rf"^(({_TOGETHER}|L\*(\.({_KINDS}|head))?){_AT}|{_CONDITION})$")]
"""The same, or with `L*` the components of every layer."""


def is_condition(label: str) -> bool:
    """Whether a label names a condition of a metric, and no site."""
    return re.fullmatch(_CONDITION, label) is not None


class Site(NamedTuple):
    """One place of a decoder: its layer (from 0), what of that layer, and for a head which."""

    layer: int
    granularity: SiteKind
    head: int | None = None

    @property
    def label(self) -> str:
        """`L3`, `L3.operator`, `L3.head2`."""
        if self.granularity == "layer":
            return f"L{self.layer}"
        return f"L{self.layer}.{self.granularity}{'' if self.head is None else self.head}"


class Component(NamedTuple):
    """What one intervention acts on."""

    sites: tuple[Site, ...]
    positions: PositionClass | None = None
    """None: every token."""

    @property
    def label(self) -> str:
        """`L1+L3`, `L3.operator@last`."""
        at = f"@{self.positions}" if self.positions else ""
        return "+".join(site.label for site in self.sites) + at


class Frame(NamedTuple):
    """What of a model its config.json tells: enough to say which sites it has."""

    layers: int
    heads: tuple[int, ...] = ()
    """Query heads of each layer's attention; 0 where its operator is none. Empty: not known."""

    def sites(self, kind: SiteKind) -> tuple[Site, ...]:
        """The sites of one kind, in layer order; the residual stream has one more than there are layers."""
        layers = range(self.layers + (kind == "residual"))
        if kind == "head":
            return tuple(Site(layer, kind, head) for layer, count in enumerate(self.heads) for head in range(count))
        if kind in _ATTENTION and self.heads:
            return tuple(Site(layer, kind) for layer, count in enumerate(self.heads) if count)
        if kind in _CONVOLUTION:
            return tuple(Site(layer, kind) for layer, count in enumerate(self.heads) if not count)
        return tuple(Site(layer, kind) for layer in layers)


_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_CONVOLUTION = ("conv_gate", "conv_carrier", "conv_signal", "conv", "out_proj")


def granularity_of(label: str) -> SiteKind:
    """The kind of site a claim's label or pattern names; of several at once that of the first."""
    first = re.split(r"[@+]", label)[0]
    _, dot, part = first.partition(".")
    return part.rstrip("0123456789") if dot else "layer"  # type: ignore[return-value]


def parse_site(label: str) -> Site:
    """The site of a label.

    Raises:
        ValueError: the label is not of the vocabulary.
    """
    match = re.fullmatch(r"L(\d{1,3})(?:\.(?:head(\d{1,3})|([a-z_]+)))?", label)
    kind = match and (match[3] or ("head" if match[2] else "layer"))
    if not match or kind not in SITE_KINDS or match[3] in ("head", "layer"):
        named = ", ".join(f"L3.{kind}" for kind in SITE_KINDS if kind not in ("layer", "head"))
        raise ValueError(f"`{label}` is not a site: sites are L3, L3.head2, {named}")
    return Site(int(match[1]), kind, int(match[2]) if match[2] else None)


def parse_component(label: str) -> Component:
    """The component of a label.

    Raises:
        ValueError: the label is not of the vocabulary.
    """
    named, _, at = label.partition("@")
    if at and at not in POSITION_CLASSES:
        raise ValueError(f"`{at}` is no class of positions: there are {', '.join(POSITION_CLASSES)}")
    return Component(tuple(parse_site(part) for part in named.split("+")), at or None)


def sites(granularities: Iterable[SiteKind], layers: int) -> tuple[Site, ...]:
    """Every site of some granularities in a model of `layers` decoder layers, in layer order."""
    return tuple(Site(layer, granularity) for granularity in granularities for layer in range(layers))


def components(
    kinds: Iterable[SiteKind], frame: Frame, positions: Iterable[PositionClass | None] = (None,), together: int = 1
) -> tuple[str, ...]:
    """The labels of a sweep: every site of some kinds, or every `together` of a kind, at every class of positions."""
    groups = [group for kind in kinds for group in combinations(frame.sites(kind), together)]
    return tuple(Component(group, at).label for at in positions for group in groups)


def matches(pattern: str, label: str) -> bool:
    """Whether a component is one of those that a pattern stands for."""
    if "*" not in pattern:
        return pattern == label
    alone = "+" not in label and granularity_of(pattern) == granularity_of(label)
    return alone and pattern.partition("@")[2] == label.partition("@")[2]
