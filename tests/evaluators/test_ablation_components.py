"""tests: ablation of components: heads, modules, several sites at once, classes of positions."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from mi_atlas.evaluators.ablation import Ablation
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import APPLIES, Cell
from mi_atlas.evaluators.interventions import Edit, intervene, zero
from mi_atlas.evaluators.positions import Places
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.sites import Site, parse_component
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor, nn

from .conftest import block, micro, wrap


def measure(module: nn.Module, made: Block, *cells: Cell) -> dict[str, dict[str, list[float]]]:
    results = Ablation().measure(wrap(module), Materials([made]), cells)
    return {f"{r.cell.site} {r.cell.intervention} {r.cell.seed}": dict(r.values) for r in results}


def literally(module: nn.Module, example: Example, edits: dict[Site, Edit]) -> float:
    """KL of one prompt's pass under hooks, by itself."""
    ids = torch.tensor([example.clean_ids])
    clean = module(input_ids=ids, use_cache=False).logits[:, -1]
    with intervene(dissect(module), edits):
        other = module(input_ids=ids, use_cache=False).logits[:, -1]
    return float(kl_divergence(clean, other)[0])


def zero_at(positions: tuple[int, ...]) -> Edit:
    def edit(update: Tensor, before: Tensor) -> Tensor:
        new = update.clone()
        new[:, list(positions)] = 0
        return new

    return edit


@pytest.mark.parametrize("label", ["L1.head2", "L1.q_proj", "L2.down_proj", "L1.gate_proj"])
def test_heads_and_modules(label: str) -> None:
    module, made = micro("llama"), block()
    got = measure(module, made, Cell("made", label, "zero"))[f"{label} zero 0"]["kl"]
    (site,) = parse_component(label).sites
    assert got == pytest.approx([literally(module, example, {site: zero}) for example in made.examples], abs=1e-5)


def test_layers_at_once_are_a_model_without_them(architecture: str) -> None:
    """Skipping the first and the last of three layers leaves the middle one."""
    module, made = micro(architecture), block()
    got = measure(module, made, Cell("made", "L0+L2", "zero"))["L0+L2 zero 0"]["kl"]
    lone = copy.deepcopy(module)
    for index in (0, 2):
        lone.model.layers[index].forward = lambda hidden_states, *args, **kwargs: hidden_states
    for example, value in zip(made.examples, got, strict=True):
        ids = torch.tensor([example.clean_ids])
        clean, other = (m(input_ids=ids, use_cache=False).logits[:, -1] for m in (module, lone))
        assert value == pytest.approx(float(kl_divergence(clean, other)[0]), abs=1e-5)


def test_a_class_of_positions() -> None:
    """Each prompt is edited at the tokens in which its twin differs, and nowhere else."""
    module, made = micro("qwen2"), block()
    label = "L1.mlp@subject"
    values = measure(module, made, Cell("made", label, "zero"))[f"{label} zero 0"]
    places = Places(wrap(module).tokenizer)
    for example, value in zip(made.examples, values["kl"], strict=True):
        at = places(example, "subject")
        assert at == tuple(
            i for i, pair in enumerate(zip(example.clean_ids, example.corrupt_ids, strict=True)) if pair[0] != pair[1]
        )
        assert value == pytest.approx(literally(module, example, {Site(1, "mlp"): zero_at(at)}), abs=1e-5)


def test_examples_without_such_a_token_do_not_apply() -> None:
    made = block()
    target = made.examples[0].clean_ids[1]
    examples = [replace(e, target_ids=(target if i == 0 else 10**6,)) for i, e in enumerate(made.examples)]
    for i, example in enumerate(examples[1:], 1):
        unused = next(token for token in range(50) if token not in example.clean_ids)
        examples[i] = replace(example, target_ids=(unused,))
    values = measure(micro("qwen2"), replace(made, examples=tuple(examples)), Cell("made", "L1@answer", "zero"))
    assert values["L1@answer zero 0"][APPLIES] == [1.0] + [0.0] * (len(examples) - 1)
    assert values["L1@answer zero 0"]["kl"][1:] == [0.0] * (len(examples) - 1)
    assert APPLIES not in measure(micro("qwen2"), made, Cell("made", "L1", "zero"))["L1 zero 0"]


def test_classes_of_positions_go_by_what_a_token_says() -> None:
    words = ["a", "(", ")", "==", "+", ":", ",", "b", "->"]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="a"))
    example = replace(block().examples[0], clean_ids=(0, 1, 4, 2, 3, 5, 8, 7), corrupt_ids=(0, 1, 4, 2, 3, 5, 8, 0))
    example = replace(example, target_ids=(0,))
    places = Places(tokenizer)
    assert places(example, "delimiter") == (1, 3, 5)
    assert places(example, "operator_token") == (2, 4, 6)
    assert (places(example, "first"), places(example, "last"), places(example, "subject")) == ((0,), (7,), (7,))
    assert places(example, "answer") == (0,)


def test_noise_keeps_the_norm_of_the_update_and_differs_by_seed() -> None:
    module, made = micro("qwen2"), block()
    got = measure(module, made, *(Cell("made", "L1.operator", "noise", seed) for seed in (0, 1)))
    first, second = (got[f"L1.operator noise {seed}"]["kl"] for seed in (0, 1))
    assert all(a != b for a, b in zip(first, second, strict=True))
    again = measure(module, made, Cell("made", "L1.operator", "noise", 1))
    assert again["L1.operator noise 1"]["kl"] == pytest.approx(second, abs=1e-6)


def test_every_kind_of_site_is_proven_before_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from mi_atlas.evaluators import ablation

    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(ablation, "prove", lambda model, examples, kinds: asked.append(kinds))
    measure(micro("qwen2"), block(), Cell("made", "L1.head0+L1.q_proj", "zero"))
    assert asked == [("layer", "operator", "mlp", "head", "q_proj")]
