"""specs: the vocabulary of sites, the places of a model where an intervention acts.

A label names one site over all architectures: `L3` is decoder layer 3 (counted from 0), `L3.operator`
its token mixer (self-attention or short convolution), `L3.mlp` its feed-forward part. `*` in place of
the number stands for every layer.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

Granularity = Literal["layer", "operator", "mlp"]

GRANULARITIES: tuple[Granularity, ...] = ("layer", "operator", "mlp")

ALL_LAYERS = "L*"
"""Every decoder layer at once: one intervention that acts on all of them."""

SiteLabel = Annotated[str, Field(pattern=r"^L[0-9]{1,3}(\.(operator|mlp))?$")]
"""One site: `L3`, `L3.operator` or `L3.mlp`."""

SitePattern = Annotated[str, Field(pattern=r"^L([0-9]{1,3}|\*)(\.(operator|mlp))?$")]
"""One site, or with `L*` the sites of every layer, whose effects are averaged within each example."""


class Site(NamedTuple):
    """One place of a decoder: its layer (from 0) and what of that layer."""

    layer: int
    granularity: Granularity

    @property
    def label(self) -> str:
        """`L3`, `L3.operator`, `L3.mlp`."""
        return f"L{self.layer}" if self.granularity == "layer" else f"L{self.layer}.{self.granularity}"


def granularity_of(label: str) -> Granularity:
    """The granularity a label or pattern names."""
    _, dot, part = label.partition(".")
    return part if dot else "layer"  # type: ignore[return-value]


def parse_site(label: str) -> Site:
    """The site of a label.

    Raises:
        ValueError: the label is not of the vocabulary.
    """
    match = re.fullmatch(r"L(\d{1,3})(?:\.(operator|mlp))?", label)
    if not match:
        raise ValueError(f"`{label}` is not a site: sites are L3, L3.operator, L3.mlp")
    return Site(int(match[1]), match[2] or "layer")  # type: ignore[arg-type]


def sites(granularities: tuple[Granularity, ...], layers: int) -> tuple[Site, ...]:
    """Every site of some granularities in a model of `layers` decoder layers, in layer order."""
    return tuple(Site(layer, granularity) for granularity in granularities for layer in range(layers))


def matching(pattern: str, layers: int) -> tuple[Site, ...]:
    """The sites a pattern stands for in a model of `layers` decoder layers; empty where it has none."""
    if "*" in pattern:
        return sites((granularity_of(pattern),), layers)
    site = parse_site(pattern)
    return (site,) if site.layer < layers else ()
