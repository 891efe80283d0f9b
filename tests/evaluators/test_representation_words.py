"""tests: what may be observed, how it is said, and what has no meaning."""

from __future__ import annotations

from typing import Any

import pytest
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.views import shuffled
from mi_atlas.specs.metrics.representation import Observe
from mi_atlas.specs.sites import Frame
from pydantic import ValidationError

from .claims import claim, document
from .conftest import micro
from .represented import measure

EVERYWHERE = [
    ("lens_target", "L1.residual", "observe", "lens_target_logprob"),
    ("lens_kl", "L1.residual", "observe", "lens_kl"),
    ("lens_kl", "L1.residual", "observe(every)", "lens_kl"),
    ("cka", "L1.operator", "observe", "cka"),
    ("cka_tokens", "L1.operator", "observe", "cka_tokens"),
    ("embedding_cosine", "L3.residual", "observe", "embedding_cosine"),
]


@pytest.mark.parametrize(("about", "site", "word", "quantity"), EVERYWHERE)
def test_shuffled_draws_differ_and_a_cell_alone_is_the_cell_among_others(
    about: str, site: str, word: str, quantity: str
) -> None:
    module, against = micro("qwen2"), "L2.residual" if about.startswith("cka") else None
    draws = [Cell("made", site, f"{word}|shuffled_examples", seed) for seed in range(20)]
    others = [Cell("other", site, word), Cell("made", site.replace("L1", "L0"), word), Cell("made", site, word)]
    among = measure(module, about, *others, *draws, against=against)
    assert len({tuple(among[cell][quantity]) for cell in [*draws, others[-1]]}) == 21
    for cell in (draws[7], others[-1]):
        alone = measure(module, about, cell, against=against)[cell]
        assert alone[quantity] == pytest.approx(among[cell][quantity], abs=1e-6)


def test_a_shuffle_leaves_nothing_in_its_place() -> None:
    orders = [shuffled(6, "family", "L1", seed) for seed in range(200)]
    assert all(sorted(order) == list(range(6)) and all(i != j for i, j in enumerate(order)) for order in orders)
    assert len({tuple(order) for order in orders}) > 70  # of 5! = 120 cycles
    assert shuffled(6, "family", "L1", 3) == orders[3]
    with pytest.raises(NotEvaluated, match="shuffled"):
        shuffled(1, "family")


@pytest.mark.parametrize(
    ("about", "site", "word", "code"),
    [
        ("lens_target", "L1.residual", "observe(every)", "no_such_intervention"),
        ("lens_target", "L1.mlp", "observe", "no_such_site"),
        ("lens_target", "L1.residual", "zero", "no_such_intervention"),
        ("lens_kl", "L9.residual", "observe", "no_such_site"),
        ("residual_norm", "L1.residual", "observe|shuffled_examples", "no_such_control"),
        ("norm_jump", "L3", "observe", "no_such_site"),
        ("norm_jump", "L1.residual", "observe", "no_such_site"),
        ("current_tap_share", "L1.conv", "observe", "no_such_site"),
        ("current_tap_share", "L0.conv", "observe|shuffled_examples", "no_such_control"),
        ("embedding_cosine", "L1.residual", "observe", "no_such_site"),
        ("cka_tokens", "L1.residual", "observe(every)", "no_such_intervention"),
    ],
)
def test_what_has_no_meaning_is_not_evaluated(about: str, site: str, word: str, code: str) -> None:
    against = "L2.residual" if about.startswith("cka") else None
    with pytest.raises(NotEvaluated) as error:
        measure(micro("lfm2"), about, Cell("made", site, word), against=against)
    assert error.value.code == code


CLAIM = document(
    {"evaluator": "representation", "quantity": "lens_kl", "sites": {"granularity": "residual"}},
    ("observe", {"intervention": "observe", "tokens": "every"}),
    "shuffled_examples",
    "L5.residual",
    at_most=0.5,
)


def test_settings_say_what_is_measured() -> None:
    assert claim(CLAIM).metric.settings() == {"about": "lens_kl"}
    compared = claim(CLAIM, {"quantity": "cka", "against": "L3.residual", "donor": "pocket-llama"}).metric
    assert compared.settings() == {"about": "cka", "against": "L3.residual"}
    assert compared.donor == "pocket-llama"


def test_embeddings_are_swept_at_the_ends_of_the_stream() -> None:
    assert claim(CLAIM).metric.sweep(Frame(2)) == ("L0.residual", "L1.residual", "L2.residual")
    assert claim(CLAIM, {"quantity": "embedding_cosine"}).metric.sweep(Frame(2)) == ("L0.residual", "L2.residual")


def test_the_words_of_observing() -> None:
    assert Observe(intervention="observe").word == "observe"
    assert Observe(intervention="observe", tokens="every").word == "observe(every)"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": {"sites": {"granularity": "mlp"}}}, "lens_kl is of residual, not of mlp"),
        ({"metric": {"quantity": "norm_jump"}}, "norm_jump is of layer"),
        ({"metric": {"sites": {"granularity": "residual", "positions": "last"}}}, "one site"),
        ({"metric": {"sites": {"granularity": "residual", "together": 2}}}, "one site"),
        ({"metric": {"quantity": "cka"}}, "against"),
        ({"metric": {"against": "L1.residual"}}, "against"),
        ({"metric": {"donor": "pocket-llama"}}, "against"),
        ({"metric": {"quantity": "cka", "against": "L1+L2"}}, "one site"),
        ({"metric": {"quantity": "cka", "against": "L1.residual", "only": "clean_correct"}}, "all examples"),
        ({"counterfactual": {"intervention": "zero"}}, "knows observe"),
        ({"control": {"kind": "matched_norm_noise"}}, "knows shuffled_examples"),
    ],
)
def test_what_describes_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim(CLAIM, **changes)


def test_no_intervention_of_another_evaluator_observes() -> None:
    """So that no causal claim can rest on a description, nor a description pass for an intervention."""
    ablation = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}}
    with pytest.raises(ValidationError, match="counterfactual is `observe`"):
        claim(document(ablation, ("observe",), "untrained_model", "L5", at_most=0.5))
