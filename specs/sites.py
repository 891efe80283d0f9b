"""specs: the vocabulary of sites, the places of a model where an intervention acts.

A label names one site over all architectures, layers and heads counted from 0:

    L3            the decoder layer: what the whole block adds to the residual stream
    L3.operator   its token mixer: self-attention or short convolution
    L3.mlp        its feed-forward part
    L3.head2      one attention head: its slice of the output projection's *input*
    L3.residual   the residual stream entering the layer; `L<n>.residual`, with n layers, entering the final norm
    L3.q_proj     a module's output: q_proj, k_proj, v_proj, o_proj; gate_proj, up_proj, down_proj; of a gated short
                  convolution out(C * conv(B * x)): conv_gate (B), conv_carrier (C), conv_signal (x), conv, out_proj

`*` in place of the number stands for every layer. Which of these a model has, its anatomy knows.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

Granularity = Literal["layer", "operator", "mlp"]
"""What a claim sweeps over: the sites that every layer of every architecture has."""

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

ALL_LAYERS = "L*"
"""Every decoder layer at once: one intervention that acts on all of them."""

SiteLabel = Annotated[str, Field(pattern=r"^L[0-9]{1,3}(\.(operator|mlp))?$")]
"""One site a claim may name: `L3`, `L3.operator` or `L3.mlp`."""

SitePattern = Annotated[str, Field(pattern=r"^L([0-9]{1,3}|\*)(\.(operator|mlp))?$")]
"""One site, or with `L*` the sites of every layer, whose effects are averaged within each example."""


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


def granularity_of(label: str) -> Granularity:
    """The granularity a claim's label or pattern names."""
    _, dot, part = label.partition(".")
    return part if dot else "layer"  # type: ignore[return-value]


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


def sites(granularities: tuple[Granularity, ...], layers: int) -> tuple[Site, ...]:
    """Every site of some granularities in a model of `layers` decoder layers, in layer order."""
    return tuple(Site(layer, granularity) for granularity in granularities for layer in range(layers))


def matching(pattern: str, layers: int) -> tuple[Site, ...]:
    """The sites a pattern stands for in a model of `layers` decoder layers; empty where it has none."""
    if "*" in pattern:
        return sites((granularity_of(pattern),), layers)
    site = parse_site(pattern)
    return (site,) if site.layer < layers else ()
