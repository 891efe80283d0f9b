"""tests: activation patching is what one forward pass a patch gives, and what it must not count it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import APPLIES, OF, Cell, NotEvaluated
from mi_atlas.evaluators.interventions import Edit, capture, intervene
from mi_atlas.evaluators.patching import Patching
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.positions import Places
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.metrics.patching import PatchingMetric
from mi_atlas.specs.sites import Frame, Site, parse_component
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim, document
from .conftest import block, micro, wrap

CLAIM = document(
    {"evaluator": "patching", "quantity": "recovery", "sites": {"granularity": "head"}},
    ("denoising", "noising"),
    "wrong_donor",
    "L1.head0",
    at_least=0.5,
)


def measure(module: nn.Module, *cells: Cell, made: Block | None = None) -> dict[Cell, dict[str, Any]]:
    results = Patching().measure(wrap(module), Materials([made or block(), block("other", n=5)]), cells)
    return {result.cell: dict(result.values) for result in results}


def logits(module: nn.Module, ids: tuple[int, ...]) -> Tensor:
    return module(input_ids=torch.tensor([ids]), use_cache=False).logits[:, -1]


def literally(module: nn.Module, example: Example, label: str, way: str) -> tuple[float, float, float]:
    """(logit difference's change, LD(clean) - LD(corrupt), KL), by hooks, for one example alone."""
    component, anatomy = parse_component(label), dissect(module)
    receiving, giving = (example.corrupt_ids, example.clean_ids)[:: 1 if way == "denoising" else -1]
    with capture(anatomy, component.sites) as seen:
        given = logits(module, giving)
    places = Places(wrap(module).tokenizer)
    at = list(places(example, component.positions)) if component.positions else slice(None)

    def patch(site: Site) -> Edit:
        def edit(update: Tensor, before: Tensor) -> Tensor:
            new = update.clone()
            new[:, at] = seen[site][:, at]
            return new

        return edit

    received = logits(module, receiving)
    with intervene(anatomy, {site: patch(site) for site in component.sites}):
        patched = logits(module, receiving)
    target, wrong = example.target_ids[0], example.wrong_target_ids[0]
    given_ld, received_ld, patched_ld = (float(each[0, target] - each[0, wrong]) for each in (given, received, patched))
    sign = 1 if way == "denoising" else -1
    return (
        sign * (patched_ld - received_ld),
        sign * (given_ld - received_ld),
        float(kl_divergence(received, patched)[0]),
    )


@pytest.mark.parametrize("way", ["denoising", "noising"])
@pytest.mark.parametrize("label", ["L1", "L0.operator", "L2.mlp@subject", "L1.residual@last", "L0.mlp+L1.mlp"])
def test_a_patch_is_one_forward_pass_with_the_twin_s_tensor(architecture: str, label: str, way: str) -> None:
    module, cell = micro(architecture), Cell("made", label, way)
    values = measure(module, cell)[cell]
    expected = [literally(module, example, label, way) for example in block().examples]
    change, whole, divergence = (list(each) for each in zip(*expected, strict=True))
    assert values["logit_diff_change"] == values["recovery"] == pytest.approx(change, abs=1e-4)
    assert values[f"recovery{OF}"] == pytest.approx(whole, abs=1e-4)
    assert values["kl"] == pytest.approx(divergence, abs=1e-5)


def test_a_head_is_patched_by_itself() -> None:
    module, cell = micro("llama"), Cell("made", "L1.head2", "denoising")
    expected = [literally(module, example, "L1.head2", "denoising")[0] for example in block().examples]
    assert measure(module, cell)[cell]["recovery"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("twist", ["wrong_donor", "matched_norm_patch"])
def test_controls_differ_from_the_patch_and_from_draw_to_draw(twist: str) -> None:
    module = micro("qwen2")
    cells = [Cell("made", "L1.mlp", "denoising"), *(Cell("made", "L1.mlp", f"denoising|{twist}", d) for d in range(4))]
    values = [tuple(each["recovery"]) for each in measure(module, *cells).values()]
    assert len(set(values)) == 5
    alone = measure(module, cells[2])[cells[2]]["recovery"]
    assert alone == pytest.approx(measure(module, *cells)[cells[2]]["recovery"], abs=1e-6)


def test_a_random_direction_goes_as_far_as_the_donor() -> None:
    from mi_atlas.evaluators.patching import AsFar
    from mi_atlas.evaluators.replay import Donor
    from mi_atlas.evaluators.replay.prompts import Prompts, Rows

    prompts = Prompts.of([[1, 2], [3]], torch.device("cpu"))
    source, update = torch.randn(3, 5), torch.randn(3, 5)
    rows = Rows(prompts, torch.arange(3))
    new = AsFar(Donor(source, torch.arange(3)), 7)(update, update, rows)
    assert torch.allclose((new - update).norm(dim=-1), (source - update).norm(dim=-1), atol=1e-5)
    assert not torch.allclose(new, source, atol=0.1)


@pytest.mark.parametrize("label", ["L1.residual", "L3.residual@last", "L0.residual@subject"])
def test_what_recovers_by_construction_is_refused(label: str) -> None:
    with pytest.raises(NotEvaluated, match="recovers 1 by construction") as error:
        measure(micro("qwen2"), Cell("made", label, "denoising"))
    assert error.value.code == "recovers_by_construction"


def test_twins_that_do_not_align_are_refused() -> None:
    made = block()
    first = made.examples[0]
    crooked = replace(made, examples=(replace(first, corrupt_ids=first.corrupt_ids[:-1]), *made.examples[1:]))
    with pytest.raises(NotEvaluated, match="they do not align"):
        measure(micro("qwen2"), Cell("made", "L1", "denoising"), made=crooked)
    with pytest.raises(NotEvaluated, match="denoising or noising, not zero"):
        measure(micro("qwen2"), Cell("made", "L1", "zero"))


def test_a_class_of_tokens_says_where_it_applies() -> None:
    cell = Cell("made", "L1@answer", "denoising")
    values = measure(micro("qwen2"), cell)[cell]
    places = Places(wrap(micro("qwen2")).tokenizer)
    assert values[APPLIES] == [float(bool(places(example, "answer"))) for example in block().examples]


def test_an_example_that_differs_only_inside_the_class_is_left_out() -> None:
    made, (one, two, *others) = block(), block().examples
    one = replace(one, corrupt_ids=(*one.clean_ids[:-1], (one.clean_ids[-1] + 1) % 8))
    two = replace(two, corrupt_ids=((two.clean_ids[0] + 1) % 8, *two.clean_ids[1:]))
    some = replace(made, examples=(one, two, *others[:2]))
    labels = ("L1.residual@last", "L0.residual@last", "L1.residual@subject", "L0.residual@first", "L1.mlp@last")
    measured = measure(micro("qwen2"), *(Cell("made", label, "denoising") for label in labels), made=some)
    counted = {cell.site: values[APPLIES] for cell, values in measured.items()}
    assert counted["L1.residual@last"] == counted["L0.residual@last"] == [0, 1, 1, 1]
    assert counted["L1.residual@subject"][:2] == [0, 1]
    assert counted["L0.residual@first"] == [1, 0, 1, 1]
    assert counted["L1.mlp@last"] == [1, 1, 1, 1]
    for cell, values in measured.items():
        for recovered, whole, counts in zip(values["recovery"], values[f"recovery{OF}"], values[APPLIES], strict=True):
            assert counts or recovered == pytest.approx(whole, abs=1e-4), cell


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_table_is_sufficient_and_necessary_and_nothing_else_is(seed: int) -> None:
    """One MLP holds the lookup table: what it adds at the last token is what tells the twins apart."""
    planted = build("lookup", seed)
    made, site = planted.examples(n=30), planted.truth.facts["site"]
    parts = [f"L{i}.{kind}@last" for i in range(planted.truth.layers) for kind in ("operator", "mlp")]
    cells = [Cell(made.family, label, way) for label in parts for way in ("denoising", "noising")]
    for result in Patching().measure(planted.loaded(), Materials([made]), cells):
        share = sum(result.values["recovery"]) / sum(result.values[f"recovery{OF}"])
        if result.cell.site == f"{site}@last":
            assert share == pytest.approx(1, abs=0.15)
        else:
            assert abs(share) < 0.15


def test_a_site_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(NotEvaluated, match="the model has layers L0 to L2"):
        measure(micro("qwen2"), Cell("made", "L7.mlp", "noising"))


def test_the_spec() -> None:
    heads = ("L0.head0", "L0.head1", "L1.head0", "L1.head1")
    assert claim(CLAIM).metric.sweep(Frame(2, (2, 2))) == heads
    stream = {
        "evaluator": "patching",
        "quantity": "recovery",
        "sites": {"granularity": "residual", "positions": "last"},
    }
    assert PatchingMetric.model_validate(stream).sweep(Frame(2)) == ("L0.residual@last", "L1.residual@last")
    stream["sites"] = {"granularity": "residual", "positions": "subject"}
    assert PatchingMetric.model_validate(stream).sweep(Frame(2)) == ("L1.residual@subject",)
    with pytest.raises(ValidationError, match="recovers 1 by construction; name positions"):
        PatchingMetric.model_validate({**stream, "sites": {"granularity": "residual"}})
    with pytest.raises(ValidationError, match="`zero`, but evaluator patching knows denoising, noising"):
        claim(CLAIM, counterfactual={"intervention": "zero"})
