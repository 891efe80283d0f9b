"""tests: answers against a model that reads everything again for each token, one prompt at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.writing import decoding
from mi_atlas.evaluators.writing.decoding import Answer, Prompt, Way, batches, write
from mi_atlas.evaluators.writing.ways import WAYS, way_of
from torch import nn

from .conftest import VOCABULARY, micro, wrap
from .replay.models import micro as another

PROMPTS = [(3, 1, 4), (1, 5, 9, 2, 6), (5, 3, 5), (8, 9, 7, 9, 3, 2, 3, 8), (4, 6)]
LIMIT = 9


def literally(module: Any, prompt: tuple[int, ...], limit: int, ends: Sequence[int] = ()) -> Answer:
    """Greedy, every token from all before it, without a cache and without other prompts."""
    ids = list(prompt)
    while len(ids) < len(prompt) + limit:
        token = int(module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token in ends:
            return Answer(tuple(ids[len(prompt) :]), cut=False)
        ids.append(token)
    return Answer(tuple(ids[len(prompt) :]), cut=True)


def wrote(model: LoadedModel, way: Way = "padded", ends: Sequence[int] = (), temperature: float = 0.0) -> list[Answer]:
    asked = [Prompt(ids, LIMIT, str(ids)) for ids in PROMPTS]
    return write(model, asked, ends, temperature, way)


@pytest.mark.parametrize("way", WAYS)
def test_greedy_answers_are_those_of_one_prompt_at_a_time(architecture: str, way: Way) -> None:
    module = micro(architecture)
    assert wrote(wrap(module), way) == [literally(module, prompt, LIMIT) for prompt in PROMPTS]


def test_greedy_answers_are_those_of_the_librarys_own_generation(architecture: str) -> None:
    module: Any = micro(architecture)
    for prompt, answer in zip(PROMPTS, wrote(wrap(module)), strict=True):
        ids = torch.tensor([prompt])
        settings = {"max_new_tokens": LIMIT, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
        theirs = module.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
        assert tuple(theirs[0, len(prompt) :].tolist()) == answer.ids


def test_an_answer_ends_at_a_token_that_ends_it_and_else_at_its_limit(architecture: str) -> None:
    module = micro(architecture)
    whole = [literally(module, prompt, LIMIT) for prompt in PROMPTS]
    common = Counter(token for answer in whole for token in set(answer.ids)).most_common(1)[0][0]
    ends = [common, whole[0].ids[0]]
    expected = [literally(module, prompt, LIMIT, ends) for prompt in PROMPTS]
    assert wrote(wrap(module), ends=ends) == expected
    assert expected[0] == Answer((), cut=False)


def test_every_prompt_has_its_own_limit() -> None:
    module = micro("qwen2")
    asked = [Prompt(ids, limit) for ids, limit in zip(PROMPTS, (1, 7, 3, 2, 5), strict=True)]
    assert write(wrap(module), asked, (), 0.0, "padded") == [literally(module, p.ids, p.limit) for p in asked]


def test_a_token_is_drawn_where_the_probabilities_have_added_up_to_the_number_drawn() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()[None]

    def drawn(u: float, temperature: float) -> int:
        return int(decoding._next(logits, temperature, [u])[0])

    assert [drawn(u, 1.0) for u in (0, 0.49, 0.51, 0.79, 0.81, 0.999)] == [0, 0, 1, 1, 2, 2]
    # At temperature 2 they are as the roots: .707, .548 and .447 of 1.702, so that the sums are .415 and .737.
    assert [drawn(u, 2.0) for u in (0.41, 0.42, 0.73, 0.74)] == [0, 1, 1, 2]


def test_draws_follow_the_models_own_probabilities() -> None:
    module: Any = micro("llama")
    asked = [Prompt(PROMPTS[1], 1, str(draw)) for draw in range(2000)]
    counts = Counter(answer.ids[0] for answer in write(wrap(module), asked, (), 1.0, "padded"))
    chances = module(input_ids=torch.tensor([PROMPTS[1]])).logits[0, -1].double().softmax(-1)
    # Five standard errors of a share at most .5 of 2000 draws are .056.
    assert max(abs(counts[token] / 2000 - float(chances[token])) for token in range(VOCABULARY)) < 0.056
    assert len(counts) > 3


def test_what_is_drawn_depends_on_no_other_prompt_of_the_batch(architecture: str) -> None:
    model = wrap(micro(architecture))
    together = wrote(model, temperature=0.8)
    by_itself = [write(model, [Prompt(ids, LIMIT, str(ids))], (), 0.8, "padded")[0] for ids in PROMPTS]
    assert together == by_itself
    assert wrote(model, temperature=0.8) == together
    other = write(model, [Prompt(PROMPTS[0], LIMIT, "another throw")], (), 0.8, "padded")
    assert other[0] != together[0]


def test_logits_that_are_no_numbers_are_no_answer() -> None:
    module: Any = micro("qwen2")
    module.model.norm.weight.data[0] = float("nan")
    with pytest.raises(NotEvaluated, match="no numbers"):
        wrote(wrap(module))


def test_what_goes_together_is_bounded_and_of_similar_length(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = wrap(micro("qwen2")), [Prompt(ids, LIMIT) for ids in PROMPTS]
    assert list(batches(model, asked, "padded")) == [[4, 0, 2, 1, 3]]
    assert list(batches(model, asked, "level")) == [[4], [0, 2], [1], [3]]
    assert list(batches(model, asked, "alone")) == [[4], [0], [2], [1], [3]]
    monkeypatch.setattr(decoding, "ROWS", 2)
    assert list(batches(model, asked, "padded")) == [[4, 0], [2, 1], [3]]
    # A token takes 4 bytes of each of 2 * 3 layers * 2 heads * 4 cached numbers and 4 * 24 activations, 576; a row of
    # logits 32 bytes of each of 50. Two of 3 + 9 tokens are 17 024 bytes, so that a third is too much.
    monkeypatch.setattr(decoding, "ROWS", 32)
    monkeypatch.setattr(decoding, "BYTES", 17_024)
    assert list(batches(model, asked, "padded")) == [[4, 0], [2], [1], [3]]


def bfloat16(module: nn.Module) -> LoadedModel:
    return replace(wrap(module.to(torch.bfloat16)), dtype=torch.bfloat16)


def int8(module: nn.Module) -> LoadedModel:
    bare = wrap(module)
    spec = bare.located.spec.model_copy(update={"quantization": "int8"})
    return replace(bare, located=replace(bare.located, spec=spec))


def test_padding_is_used_where_it_is_proven_and_rounding_is_small(architecture: str) -> None:
    assert way_of(wrap(micro(architecture))) == "padded"
    assert way_of(bfloat16(micro(architecture))) == "level"
    assert way_of(int8(micro(architecture))) == "alone"


def test_padding_that_leaks_is_found() -> None:
    # A convolution with biases turns masked padding into something, which stays in its state.
    module: Any = another("Lfm2")
    for layer in (0, 2):
        module.model.layers[layer].conv.in_proj.bias.data *= 10
    model = wrap(module)
    assert way_of(model) == "level"
    right = [literally(module, prompt, LIMIT) for prompt in PROMPTS]
    assert wrote(model, "level") == right
    assert wrote(model, "padded") != right


def test_a_mask_that_is_not_read_is_found() -> None:
    module: Any = micro("llama")
    own = module.forward
    module.forward = lambda attention_mask=None, **more: own(**more)
    assert way_of(wrap(module)) == "level"


def test_rows_that_reach_each_other_are_found() -> None:
    module: Any = micro("llama")
    own = module.model.layers[1].mlp.forward
    module.model.layers[1].mlp.forward = lambda x: own(x) + 0.1 * x.mean(0, keepdim=True)
    assert way_of(wrap(module)) == "alone"


@pytest.mark.parametrize("architecture", ["Mamba", "Bamba"])
def test_a_cache_that_is_none_or_wrong_is_found(architecture: str) -> None:
    with pytest.raises(NotEvaluated, match="proof `cache` failed"):
        way_of(wrap(another(architecture)))


def test_what_is_proven_is_noted_for_this_model_alone() -> None:
    model = wrap(micro("qwen2"))
    assert way_of(model) == "padded"
    silent = replace(model, module=nn.Identity())
    assert way_of(silent) == "padded"
    stranger = replace(silent, located=replace(model.located, parts={"weights": "other"}))
    with pytest.raises(AttributeError):
        way_of(stranger)
