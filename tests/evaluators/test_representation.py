"""tests: lenses, norms and kernels against their formulas written out, and against planted structure."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.representation import Representation, tap_energies
from mi_atlas.evaluators.views import shuffled
from torch import Tensor, nn

from .conftest import LAYERS, micro
from .represented import head_of, long_block, measure, streams


def test_the_lens_is_the_models_own_norm_and_head(architecture: str) -> None:
    module = micro(architecture)
    cells = [Cell("made", f"L{i}.residual", "observe") for i in range(LAYERS + 1)]
    targets, divergences = measure(module, "lens_target", *cells), measure(module, "lens_kl", *cells)
    for row, example in enumerate(long_block().examples):
        seen = streams(module, example.clean_ids)
        final = module(input_ids=torch.tensor([example.clean_ids])).logits[0, -1].log_softmax(-1)
        for i, cell in enumerate(cells):
            lens = head_of(module, seen[i][-1]).log_softmax(-1)
            target = example.target_ids[0]
            assert targets[cell]["lens_target_logprob"][row] == pytest.approx(float(lens[target]), abs=1e-4)
            assert targets[cell]["lens_target_rank_one"][row] == float(lens.argmax() == target)
            expected = float((final.exp() * (final - lens)).sum())
            assert divergences[cell]["lens_kl"][row] == pytest.approx(expected, abs=1e-4)
    assert max(divergences[cells[-1]]["lens_kl"]) < 1e-9


def test_the_lens_over_every_token_is_a_mean(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L1.residual", "observe(every)")
    got = measure(module, "lens_kl", cell)[cell]["lens_kl"]
    for value, example in zip(got, long_block().examples, strict=True):
        seen = streams(module, example.clean_ids)
        final, lens = (head_of(module, seen[i]).log_softmax(-1) for i in (LAYERS, 1))
        assert value == pytest.approx(float((final.exp() * (final - lens)).sum(-1).mean()), abs=1e-4)


def test_a_lens_reads_shuffled_targets_of_other_examples() -> None:
    module, cell = micro("llama"), Cell("made", "L2.residual", "observe|shuffled_examples", 3)
    got = measure(module, "lens_target", cell)[cell]["lens_target_logprob"]
    examples, order = long_block().examples, shuffled(8, "made", "L2.residual", 3)
    for value, example, j in zip(got, examples, order, strict=True):
        lens = head_of(module, streams(module, example.clean_ids)[2][-1]).log_softmax(-1)
        assert value == pytest.approx(float(lens[examples[j].target_ids[0]]), abs=1e-4)


def test_norms_and_their_jumps(architecture: str) -> None:
    module = micro(architecture)
    seen = [[s.norm(dim=-1) for s in streams(module, example.clean_ids)] for example in long_block().examples]
    for word, norm, jump in (
        ("observe", lambda n: n[-1], lambda a, b: a[-1] / b[-1]),
        ("observe(every)", lambda n: n.mean(), lambda a, b: (a / b).log().mean().exp()),
    ):
        at, of = Cell("made", "L3.residual", word), Cell("made", "L2", word)
        expected = [float(norm(norms[3])) for norms in seen]
        assert measure(module, "residual_norm", at)[at]["residual_norm"] == pytest.approx(expected, rel=1e-4)
        expected = [float(jump(norms[3], norms[2])) for norms in seen]
        assert measure(module, "norm_jump", of)[of]["norm_jump"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_explosion_is_the_largest_jump_of_the_stated_size(seed: int) -> None:
    planted = build("norm_explosion", seed)
    facts, some = planted.truth.facts, planted.examples(20)
    cells = [Cell(some.family, f"L{i}", "observe(every)") for i in range(planted.truth.layers)]
    materials = Materials([some], {"about": "norm_jump"})
    got = {r.cell.site: r.values["norm_jump"] for r in Representation().measure(planted.loaded(), materials, cells)}
    assert got[facts["layer"]] == pytest.approx([facts["ratio"]] * 20, rel=facts["within"])
    assert max(max(values) for site, values in got.items() if site != facts["layer"]) <= facts["other_ratio"]


def test_tap_energies_by_hand() -> None:
    """One channel, kernel (1, 2, 3), signal 1, 10, 100: the last token gets 3 * 100, 2 * 10 and 1 * 1."""
    energies = tap_energies(torch.tensor([[1.0], [10.0], [100.0]]), torch.tensor([[1.0, 2.0, 3.0]]))
    assert energies.tolist() == [[9, 0, 0], [900, 4, 0], [90000, 400, 1]]


def test_the_current_tap_is_the_kernels_last() -> None:
    """With its last tap alone a kernel sums up the current token only; with its first alone, nothing of it."""
    module, cell = micro("lfm2"), Cell("made", "L2.conv", "observe")
    kernel = module.model.layers[2].conv.conv.weight  # type: ignore[index, union-attr]
    own = kernel.clone()
    for kept, share in ((-1, 1.0), (0, 0.0)):
        kernel.zero_()
        kernel[..., kept] = own[..., kept]
        got = measure(module, "current_tap_share", cell)[cell]
        assert got["current_tap_share"] == pytest.approx([share] * 8)
    kernel.zero_()
    with pytest.raises(NotEvaluated, match="nothing but zeros"):
        measure(module, "current_tap_share", cell)


def test_the_share_of_the_current_tap_is_that_of_the_models_own_convolution() -> None:
    module: Any = micro("lfm2")
    cells = [Cell("made", "L2.conv", word) for word in ("observe", "observe(every)")]
    got, operator = measure(module, "current_tap_share", *cells), module.model.layers[2].conv
    normed: list[Tensor] = []
    hook = operator.in_proj.register_forward_hook(lambda m, args, out: normed.append(out[0]))
    for example in long_block().examples:
        module(input_ids=torch.tensor([example.clean_ids]), use_cache=False)
    hook.remove()
    for row, projected in enumerate(normed):
        gate, _, signal = projected.chunk(3, -1)
        parts = []
        for tap in range(3):
            only = torch.zeros_like(operator.conv.weight)
            only[..., tap] = operator.conv.weight[..., tap]
            convolved = nn.functional.conv1d((gate * signal).T[None], only, padding=2, groups=16)[0, :, : len(gate)]
            parts.append(convolved.square().sum(0))
        for cell, pooled in zip(cells, (lambda e: e[-1], lambda e: e.mean()), strict=True):
            expected = float(pooled(parts[2]) / pooled(sum(parts)))
            assert got[cell]["current_tap_share"][row] == pytest.approx(expected, rel=1e-4)


def test_an_embedding_cosine_is_that_of_the_answers_less_that_of_random_rows() -> None:
    """Rows: (0, 1) of the target, (1, 1) of the wrong target, (1, 0) of every other token: cos = 1 / sqrt 2 - 0."""
    module: Any = micro("llama")
    first, last = Cell("made", "L0.residual", "observe"), Cell("made", "L3.residual", "observe")
    example = long_block().examples[0]
    module.lm_head.weight.zero_()
    module.lm_head.weight[:, 0] = 1
    module.lm_head.weight[[example.target_ids[0], example.wrong_target_ids[0]], 1] = 1
    module.lm_head.weight[example.target_ids[0], 0] = 0
    got = measure(module, "embedding_cosine", first, last)
    assert got[last]["embedding_cosine"][0] == pytest.approx(1 / math.sqrt(2))
    assert got[first] != got[last]
    module.lm_head.weight[:] = module.model.embed_tokens.weight
    tied = measure(module, "embedding_cosine", first, last)
    assert tied[first] == tied[last]
