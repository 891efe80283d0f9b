"""tests: patching between a model and its training is what one hooked pass a patch gives; its steps add up."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators import cross_model
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import APPLIES, OF, Cell, NotEvaluated
from mi_atlas.evaluators.cross_model import CrossModel
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.interventions import Edit, capture, intervene
from mi_atlas.evaluators.positions import Places
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Example
from mi_atlas.specs.metrics.adapter import RECIPE
from mi_atlas.specs.metrics.cross_model import CrossModelMetric
from mi_atlas.specs.sites import Frame, Site, parse_component
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim, document
from .conftest import LAYERS, block, micro, wrap
from .finetuned import LORA, UPPER, by_hand, no_training, numbers

INTO_BASE, INTO_TRAINED = "trained_into_base", "base_into_trained"
BLOCKS = [block("made"), block("other", n=5)]
DOCUMENT = document(
    {"evaluator": "cross_model", "quantity": "recovery", "sites": {"granularity": "mlp"}, "recipe": "a-recipe"},
    (INTO_BASE, INTO_TRAINED),
    "wrong_donor",
    "L1.mlp",
    at_least=0.5,
)


_no_training = no_training(cross_model)


def measure(
    module: nn.Module, *cells: Cell, about: str = "patched", recipe: Any = LORA
) -> dict[Cell, dict[str, list[float]]]:
    materials = Materials(BLOCKS, {"about": about}, recipes={RECIPE: recipe})
    return numbers(CrossModel(), wrap(module), materials, *cells)


def logits(module: nn.Module, ids: tuple[int, ...]) -> Tensor:
    return module(input_ids=torch.tensor([ids]), use_cache=False).logits[:, -1]


def chance(module: nn.Module, example: Example) -> float:
    return float(logits(module, example.clean_ids).double().log_softmax(-1)[0, example.target_ids[0]])


def putting(other: Tensor, at: Any) -> Edit:
    def edit(update: Tensor, before: Tensor) -> Tensor:
        new = update.clone()
        new[:, at] = other[:, at]
        return new

    return edit


def literally(receiving: nn.Module, giving: nn.Module, example: Example, *labels: str) -> Tensor:
    """Logits of a pass with what passes some components in the other model, by hooks, for one example alone."""
    edits: dict[Site, Edit] = {}
    for label in labels:
        component = parse_component(label)
        with capture(dissect(giving), component.sites) as caught:
            logits(giving, example.clean_ids)
        places = Places(wrap(receiving).tokenizer)
        at = list(places(example, component.positions)) if component.positions else slice(None)

        edits |= {site: putting(caught[site], at) for site in component.sites}
    with intervene(dissect(receiving), edits):
        return logits(receiving, example.clean_ids)


@pytest.mark.parametrize(
    ("label", "way"),
    [
        ("L1", INTO_BASE),
        ("L0.operator", INTO_TRAINED),
        ("L1.residual@last", INTO_BASE),
        ("L2.residual@first", INTO_TRAINED),
    ],
)
def test_a_patch_is_one_pass_with_the_other_model_s_tensor(architecture: str, label: str, way: str) -> None:
    module, cell = micro(architecture), Cell("made", label, way, 2)
    trained, got = by_hand(module, Job(LORA, 2)), measure(module, cell)[cell]
    receiving, giving = (module, trained)[:: 1 if way == INTO_BASE else -1]
    for i, example in enumerate(BLOCKS[0].examples):
        patched, unpatched = literally(receiving, giving, example, label), logits(receiving, example.clean_ids)
        p = float(patched.double().log_softmax(-1)[0, example.target_ids[0]])
        whole = chance(trained, example) - chance(module, example)
        change = p - chance(module, example) if way == INTO_BASE else chance(trained, example) - p
        assert got["recovery"][i] == pytest.approx(change, abs=2e-4)
        assert got[f"recovery{OF}"][i] == pytest.approx(whole, abs=2e-4)
        assert got["kl"][i] == pytest.approx(float(kl_divergence(unpatched, patched)[0]), rel=1e-2, abs=1e-5)
    assert (APPLIES in got) == ("@" in label)


@pytest.mark.parametrize(
    ("kind", "way"),
    [("layer", INTO_BASE), ("layer", INTO_TRAINED), ("residual@last", INTO_TRAINED), ("residual", INTO_BASE)],
)
def test_the_increments_of_all_layers_add_up_to_what_training_did(kind: str, way: str) -> None:
    module = micro("qwen2")
    trained = by_hand(module, Job(LORA, 1))
    names = [f"L{i}" for i in range(LAYERS)] if kind == "layer" else [f"L{i}.{kind}" for i in range(LAYERS + 1)]
    got = measure(module, *(Cell("made", name, way, 1) for name in names), about="increment")
    for i, example in enumerate(BLOCKS[0].examples):
        whole = chance(trained, example) - chance(module, example)
        assert sum(values["increment"][i] for values in got.values()) == pytest.approx(whole, abs=5e-4)


def test_an_increment_is_what_a_layer_adds_to_all_before_it() -> None:
    module, cell = micro("lfm2"), Cell("made", "L2.operator", INTO_BASE, 3)
    trained, got = by_hand(module, Job(LORA, 3)), measure(module, cell, about="increment")[cell]["increment"]
    with_it, before = ("L0.operator", "L1.operator", "L2.operator"), ("L0.operator", "L1.operator")
    for i, example in enumerate(BLOCKS[0].examples):
        target = example.target_ids[0]
        one, two = (literally(module, trained, example, *labels) for labels in (with_it, before))
        step = float(one.double().log_softmax(-1)[0, target] - two.double().log_softmax(-1)[0, target])
        assert got[i] == pytest.approx(step, abs=2e-4)


def test_below_what_was_trained_there_is_nothing_to_recover_and_behind_it_everything() -> None:
    module = micro("llama")
    below, behind = Cell("made", "L1.residual", INTO_BASE, 1), Cell("made", "L2.residual", INTO_BASE, 1)
    values = measure(module, below, behind, recipe=UPPER)
    assert values[below]["recovery"] == pytest.approx([0.0] * 6, abs=1e-5)
    above = measure(module, Cell("made", "L2", INTO_BASE, 1), about="increment", recipe=UPPER)
    rest = [
        whole - part for whole, part in zip(values[behind][f"recovery{OF}"], values[behind]["recovery"], strict=True)
    ]
    assert next(iter(above.values()))["increment"] == pytest.approx(rest, abs=2e-4)


def test_controls_draw_anew_and_a_wrong_donor_is_another_example() -> None:
    module, plain = micro("qwen2"), Cell("made", "L1.mlp", INTO_BASE, 1)
    words = [f"{INTO_BASE}|{control}" for control in ("wrong_donor", "matched_norm_patch", "shuffled_answers")]
    cells = [plain, *(Cell("made", "L1.mlp", word, draw) for word in words for draw in (5, 10, 15))]
    got = measure(module, *cells)
    drawn = [tuple(got[cell]["recovery"]) for cell in cells]
    assert len(set(drawn)) == len(cells)
    wrong = got[cells[1]]["recovery"]
    trained = by_hand(module, Job(LORA, 1))
    examples, own = BLOCKS[0].examples, []
    for i, example in enumerate(examples):
        same = [j for j, other in enumerate(examples) if len(other.clean_ids) == len(example.clean_ids) and j != i]
        for j in same:
            with capture(dissect(trained), [Site(1, "mlp")]) as caught:
                logits(trained, examples[j].clean_ids)
            with intervene(dissect(module), {Site(1, "mlp"): lambda u, b, c=caught: c[Site(1, "mlp")]}):
                after = logits(module, example.clean_ids).double().log_softmax(-1)[0, example.target_ids[0]]
            own.append((i, float(after) - chance(module, example)))
    assert any(abs(wrong[i] - value) < 2e-4 for i, value in own)


def test_a_cell_is_the_same_alone_and_the_base_model_is_as_it_was() -> None:
    module = micro("lfm2")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    words = [(INTO_BASE, 1), (INTO_TRAINED, 1), (f"{INTO_BASE}|wrong_donor", 0), (f"{INTO_BASE}|matched_norm_patch", 7)]
    cells = [Cell(family, site, *word) for family in ("made", "other") for site in ("L0", "L1.mlp") for word in words]
    together = measure(module, *cells)
    for cell in cells[::3]:
        for name, values in measure(module, cell)[cell].items():
            assert values == pytest.approx(together[cell][name], rel=1e-4, abs=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (Cell("made", "L3.residual", INTO_BASE, 1), "recovers_by_construction"),
        (Cell("made", "L3.residual@last", INTO_TRAINED, 1), "recovers_by_construction"),
        (Cell("made", "L0.head1", INTO_BASE, 1), "no_such_site"),
        (Cell("made", "L1", "zero", 1), "no_such_intervention"),
        (Cell("made", "L1", f"{INTO_BASE}|noise", 1), "no_such_intervention"),
    ],
)
def test_what_cannot_be_done_is_said(cell: Cell, code: str) -> None:
    with pytest.raises(NotEvaluated) as error:
        measure(micro("lfm2"), cell)
    assert error.value.code == code


def test_its_claims_say_what_they_sweep_and_what_decides_the_numbers() -> None:
    expect = {"form": "threshold", "component": "L1.residual@last", "at_least": 0.5}
    sites = {"granularity": "residual", "positions": "last"}
    made = claim(DOCUMENT, {"recipe": {"training": "none"}, "sites": sites}, expect=expect)
    assert isinstance(made.metric, CrossModelMetric)
    assert made.metric.sweep(Frame(2, (4, 4))) == ("L0.residual@last", "L1.residual@last")
    assert made.metric.settings() == {"about": "patched"}
    steps = claim(DOCUMENT, {"quantity": "increment", "sites": sites}, expect=expect).metric
    assert steps.sweep(Frame(1, (4,))) == ("L0.residual@last", "L1.residual@last")
    assert steps.settings() == {"about": "increment"}
    with pytest.raises(ValidationError, match="along the layers"):
        claim(DOCUMENT, {"quantity": "increment", "sites": {"granularity": ["layer", "mlp"]}})
