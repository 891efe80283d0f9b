"""tests: the same measurement on several models: against plain torch, and with one vector in all forms of a model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mi_atlas.evaluators import variants
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import APPLIES, Cell, NotEvaluated
from mi_atlas.evaluators.interventions import intervene, zero
from mi_atlas.evaluators.models.load import LoadedModel, load
from mi_atlas.evaluators.models.locate import Located, locate, untrained
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Example
from mi_atlas.evaluators.variants import Variants
from mi_atlas.specs.metrics.variants import VariantsMetric
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.sites import Site
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from torch import Tensor, nn

from .claims import claim, document
from .conftest import block, micro, wrap
from .finetuned import answer, long_block, results, unproven
from .steered import EVEN, ODD, adding, ends, last_logits

BLOCKS = [long_block("made"), long_block("other", n=5)]
DISCOVERY = [block(family, n=18, seed=1) for family in ("made", "other")]
SITES = {"own": "L1.residual", "form": "L1.residual", "stranger": "L2.residual"}
DOCUMENT = document(
    {
        "evaluator": "variants",
        "quantity": "exact_match",
        "variants": {"one": {}, "two": {"model": "pocket-qwen-deep"}},
        "reference": "one",
    },
    ("hold",),
    "permuted_conditions",
    "two",
    at_least=0.5,
)


@pytest.fixture(autouse=True)
def _unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "prove", unproven)
    monkeypatch.setattr("mi_atlas.evaluators.steering.prove", unproven)


def named(module: nn.Module, weights: str, dtype: str = "float32") -> LoadedModel:
    """A model under an identity of its own."""
    made = wrap(module)
    return replace(made, located=replace(made.located, parts={"weights": weights, "dtype": dtype}))


OWN = named(micro("qwen2"), "one")
ROUGH = copy.deepcopy(OWN.module)
for parameter in ROUGH.parameters():
    parameter.data = (parameter.data * 4).round() / 4
MODELS = {"form": named(ROUGH, "one", "bfloat16"), "stranger": named(micro("llama", seed=3), "two")}
MODULES: dict[str, Any] = {"own": OWN.module, "form": ROUGH, "stranger": MODELS["stranger"].module}


def measure(
    about: str,
    *cells: Cell,
    model: LoadedModel = OWN,
    others: dict[str, LoadedModel] | None = None,
    sites: dict[str, Any] | None = None,
) -> dict[Cell, dict[str, list[float]]]:
    settings = {"about": about, "reference": "own", "variants": sites or SITES, "positive": EVEN, "negative": ODD}
    materials = Materials(BLOCKS, settings, DISCOVERY, variants=MODELS if others is None else others)
    made = results(Variants(), model, materials, *cells)
    return {cell: {name: list(value) for name, value in each.values.items()} for cell, each in made.items()}


@pytest.mark.parametrize("condition", ["own", "form", "stranger"])
def test_a_model_held_as_it_is_is_compared_with_the_reference(condition: str) -> None:
    cell = Cell("made", condition, "hold")
    far, near = measure("distribution", cell)[cell], measure("answer", cell)[cell]
    for i, example in enumerate(BLOCKS[0].examples):
        asked = example.clean_ids, example.target_ids
        one, two = (answer(module, *asked) for module in (OWN.module, MODULES[condition]))
        assert far["kl_from_reference"][i] == pytest.approx(
            float(kl_divergence(one[2][None], two[2][None])[0]), abs=1e-5
        )
        assert near["target_logprob_drop"][i] == pytest.approx(one[0] - two[0], abs=1e-4)
        assert near["exact_match"][i] == two[1]


@pytest.mark.parametrize("condition", ["form", "stranger"])
def test_each_is_ablated_at_a_site_of_its_own(condition: str) -> None:
    sites = {"own": "L0", "form": "L1", "stranger": "L2.mlp"}
    cell, layer = Cell("other", condition, "zero"), Site(1, "layer") if condition == "form" else Site(2, "mlp")
    got, module = measure("ablation", cell, sites=sites)[cell]["ablation_kl"], MODULES[condition]
    for i, example in enumerate(BLOCKS[1].examples):
        clean = last_logits(module, example.clean_ids)
        with intervene(dissect(module), {layer: zero}):
            ablated = last_logits(module, example.clean_ids)
        assert got[i] == pytest.approx(float(kl_divergence(clean[None], ablated[None])[0]), rel=1e-2, abs=1e-5)


def sides(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """(examples whose clean answer is even and whose corrupt one is odd, those where it is the other way round)."""
    even = [e for e in examples if e.target in EVEN and e.wrong_target in ODD]
    return even, [e for e in examples if e.target in ODD and e.wrong_target in EVEN]


def direction(module: nn.Module, at: int, family: int = 0) -> Tensor:
    """Mean of what enters a layer at the last token of positive prompts, less that of negative ones."""
    one, other = sides(DISCOVERY[family].examples)
    positive = [e.clean_ids for e in one] + [e.corrupt_ids for e in other]
    negative = [e.corrupt_ids for e in one] + [e.clean_ids for e in other]
    return ends(module, positive, at).mean(0) - ends(module, negative, at).mean(0)


@pytest.mark.parametrize(
    ("condition", "learnt_in", "at"), [("own", "own", 1), ("form", "own", 1), ("stranger", "stranger", 2)]
)
def test_forms_share_the_reference_s_vector_and_other_models_learn_their_own(
    condition: str, learnt_in: str, at: int
) -> None:
    cell, module, vector = Cell("made", condition, "steer(2)"), MODULES[condition], direction(MODULES[learnt_in], at)
    got, slope = measure("steered", cell)[cell], measure("slope", cell)[cell]
    even, odd = sides(BLOCKS[0].examples)
    assert got[APPLIES] == [float(e in even or e in odd) for e in BLOCKS[0].examples]
    for i, example in enumerate(BLOCKS[0].examples):
        if example not in even and example not in odd:
            continue
        forward = example in odd
        prompt = example.clean_ids if forward else example.corrupt_ids
        pair = example.target_ids[0], example.wrong_target_ids[0]
        positive, negative = pair[::-1] if forward else pair
        lead, clean = [], last_logits(module, prompt)
        for strength in (-2.0, -1.0, 1.0, 2.0):
            with adding(module, at, strength * vector, last=False):
                steered = last_logits(module, prompt)
            lead.append(strength * float(steered[positive] - steered[negative]))
        assert got["steering_kl"][i] == pytest.approx(float(kl_divergence(clean[None], steered[None])[0]), rel=1e-2)
        assert slope["steering_slope"][i] == pytest.approx(sum(lead) / 10, rel=1e-2, abs=1e-3)


def test_a_reference_at_another_layer_gives_the_vector_that_it_learnt_there() -> None:
    cell, sites = Cell("made", "form", "steer(1)"), {"own": "L1.residual", "form": "L2.residual"}
    got = measure("steered", cell, sites=sites)[cell]["steering_kl"]
    i, example = next((i, e) for i, e in enumerate(BLOCKS[0].examples) if e in sides(BLOCKS[0].examples)[1])
    clean = last_logits(ROUGH, example.clean_ids)
    with adding(ROUGH, 2, direction(OWN.module, 1), last=False):
        steered = last_logits(ROUGH, example.clean_ids)
    assert got[i] == pytest.approx(float(kl_divergence(clean[None], steered[None])[0]), rel=1e-2)


def test_controls_draw_anew_and_cells_are_the_same_alone() -> None:
    for about, plain, words in (
        ("steered", "steer(1)", ("steer(1)|random_direction", "steer(1)|shuffled_labels")),
        ("ablation", "zero", ("matched_norm_noise",)),
        ("answer", "hold", ("hold|mismatched_outputs",)),
    ):
        cells = [Cell("made", "form", word, draw) for word in words for draw in range(3)]
        sites = {"own": "L0", "form": "L1"} if about == "ablation" else None
        got = measure(about, *cells, Cell("made", "form", plain), Cell("other", "form", plain), sites=sites)
        assert len({str(values) for values in got.values()}) == len(got)
        for cell in cells[::2]:
            assert measure(about, cell, sites=sites)[cell] == {
                name: pytest.approx(values, rel=1e-4, abs=1e-6) for name, values in got[cell].items()
            }


def test_a_mismatched_answer_is_another_example_s() -> None:
    cell, plain = Cell("made", "form", "hold|mismatched_outputs", 2), Cell("made", "form", "hold")
    values = measure("answer", cell, plain)
    for i, example in enumerate(BLOCKS[0].examples):
        drops = [
            answer(OWN.module, example.clean_ids, other.target_ids)[0]
            - answer(MODULES["form"], example.clean_ids, other.target_ids)[0]
            for other in BLOCKS[0].examples
            if other is not example
        ]
        assert min(abs(values[cell]["target_logprob_drop"][i] - drop) for drop in drops) < 1e-4
    assert values[cell]["exact_match"] != values[plain]["exact_match"] or not any(values[plain]["exact_match"])


@pytest.mark.parametrize(
    ("about", "cell", "code"),
    [
        ("answer", Cell("made", "nobody", "hold"), "no_such_condition"),
        ("answer", Cell("made", "form", "zero"), "no_such_intervention"),
        ("distribution", Cell("made", "form", "hold|mismatched_outputs"), "no_such_intervention"),
        ("ablation", Cell("made", "form", "steer(1)"), "no_such_intervention"),
        ("steered", Cell("made", "form", "zero"), "no_such_intervention"),
        ("steered", Cell("made", "form", "steer(1)|noise"), "no_such_control"),
    ],
)
def test_what_cannot_be_done_is_said(about: str, cell: Cell, code: str) -> None:
    with pytest.raises(NotEvaluated) as error:
        measure(about, cell)
    assert error.value.code == code


def test_under_another_tokenizer_distributions_differ_in_what_they_are_over_and_texts_must_be_examples() -> None:
    words = {"?": 0, **{str(i): i + 1 for i in range(49)}}
    stranger = replace(MODELS["form"], tokenizer=Tokenizer(WordLevel(words, unk_token="?")))
    cell = Cell("made", "form", "hold")
    for about in ("distribution", "answer"):
        with pytest.raises(NotEvaluated) as error:
            measure(about, cell, others={"form": stranger})
        assert error.value.code in ("other_vocabulary", "other_tokenizer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("variants")
    micro("qwen2").save_pretrained(made / "micro")
    Tokenizer(BPE()).save(str(made / "micro" / "tokenizer.json"))
    return made


def located(folder: Path, **fields: Any) -> Located:
    found = locate(Model(source=Source(path="micro"), **fields), folder)
    assert isinstance(found, Located)
    return found


@pytest.mark.parametrize("fields", [{"quantization": "nf4"}, {"quantization": "int8"}, {"dtype": "bfloat16"}])
def test_number_formats_are_near_the_reference_and_with_random_weights_all_have_the_same(
    folder: Path, fields: dict[str, str]
) -> None:
    if "quantization" in fields:
        pytest.importorskip("bitsandbytes")
    others, cells = {"form": load(located(folder, **fields))}, [Cell("made", c, "hold") for c in ("own", "form")]
    trained, drawn = load(located(folder)), load(untrained(located(folder), 7))
    for model in (trained, drawn):
        got = measure("distribution", *cells, model=model, others=others)
        assert got[cells[0]]["kl_from_reference"] == [0.0] * 6
        assert 0 < max(got[cells[1]]["kl_from_reference"]) < 1
    steered = [replace(cell, intervention="steer(1)") for cell in cells]
    got = measure("steered", *steered, model=trained, others=others)
    assert all(max(values["steering_kl"]) > 0 for values in got.values())


def test_its_claims_say_what_decides_the_numbers() -> None:
    metric = claim(DOCUMENT).metric
    assert isinstance(metric, VariantsMetric)
    assert metric.settings() == {"reference": "one", "variants": {"one": None, "two": None}, "about": "answer"}
    assert dict(metric.variants_of) == {"two": "pocket-qwen-deep"}
