"""tests: labels of sites."""

from __future__ import annotations

import pytest
from mi_atlas.specs.sites import SITE_KINDS, Site, matching, parse_site, sites


@pytest.mark.parametrize("kind", [kind for kind in SITE_KINDS if kind not in ("layer", "head")])
def test_a_label_and_its_site_are_one(kind: str) -> None:
    assert parse_site(f"L12.{kind}") == Site(12, kind)
    assert parse_site(f"L12.{kind}").label == f"L12.{kind}"


def test_layers_and_heads_have_labels_of_their_own() -> None:
    assert parse_site("L3") == Site(3, "layer")
    assert parse_site("L3").label == "L3"
    assert parse_site("L0.head12") == Site(0, "head", 12)
    assert Site(0, "head", 12).label == "L0.head12"


@pytest.mark.parametrize("label", ["", "L", "3", "L3.", "L3.layer", "L3.head", "L3.attn", "L3.head1.q", "L1234", "L*"])
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"sites are L3, L3\.head2, L3\.operator"):
        parse_site(label)


def test_a_pattern_stands_for_the_sites_of_every_layer() -> None:
    assert matching("L*.mlp", 2) == (Site(0, "mlp"), Site(1, "mlp"))
    assert matching("L*", 2) == sites(("layer",), 2)
    assert matching("L1", 2) == (Site(1, "layer"),)
    assert matching("L2", 2) == ()
