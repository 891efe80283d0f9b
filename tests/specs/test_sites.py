"""tests: labels of sites."""

from __future__ import annotations

import pytest
from mi_atlas.specs.sites import (
    SITE_KINDS,
    Component,
    Frame,
    Site,
    components,
    granularity_of,
    matches,
    parse_component,
    parse_site,
)


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


def test_a_component_is_sites_at_once_at_some_tokens() -> None:
    assert parse_component("L1+L3.mlp@last") == Component((Site(1, "layer"), Site(3, "mlp")), "last")
    assert parse_component("L3.head2") == Component((Site(3, "head", 2),))
    for label in ("L1+L3", "L3.operator@subject", "L0.head1+L4.head2@first"):
        assert parse_component(label).label == label
    with pytest.raises(ValueError, match=r"`middle` is no class of positions: there are first, last, subject"):
        parse_component("L3@middle")


def test_a_pattern_stands_for_the_components_of_every_layer_at_its_own_tokens() -> None:
    assert matches("L*.mlp", "L7.mlp")
    assert matches("L*.head", "L7.head3")
    assert matches("L*@last", "L7@last")
    assert matches("L1", "L1")
    for pattern, label in (("L*.mlp", "L7"), ("L*", "L7@last"), ("L*", "L1+L2"), ("L1", "L11"), ("L*.head", "L0")):
        assert not matches(pattern, label)


def test_a_frame_says_which_sites_a_model_has() -> None:
    """Three layers, the middle one a short convolution."""
    frame = Frame(3, (2, 0, 2))
    assert components(("head",), frame) == ("L0.head0", "L0.head1", "L2.head0", "L2.head1")
    assert components(("q_proj", "conv"), frame) == ("L0.q_proj", "L2.q_proj", "L1.conv")
    assert components(("residual",), frame) == ("L0.residual", "L1.residual", "L2.residual", "L3.residual")
    assert components(("layer",), frame, ("first", None)) == ("L0@first", "L1@first", "L2@first", "L0", "L1", "L2")
    assert components(("layer", "mlp"), Frame(3), together=2) == (
        *("L0+L1", "L0+L2", "L1+L2"),
        *("L0.mlp+L1.mlp", "L0.mlp+L2.mlp", "L1.mlp+L2.mlp"),
    )
    assert components(("head",), Frame(3)) == ()


def test_the_kind_of_a_label() -> None:
    kinds = {"L3": "layer", "L3@last": "layer", "L3.head12": "head", "L1.conv_gate+L2.conv_gate": "conv_gate"}
    assert {label: granularity_of(label) for label in kinds} == kinds
