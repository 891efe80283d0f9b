"""tests: every kind of planted model: many seeds pass their proofs, and a model that was spoilt fails its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.planted import KINDS
from mi_atlas.evaluators.planted.body import WRITES
from mi_atlas.evaluators.planted.kinds import build, find_kind, prove
from mi_atlas.evaluators.planted.model import Planted, at_least, at_most, top
from mi_atlas.evaluators.planted.proof import Measured, NotAsPlanted, prove_claims
from mi_atlas.specs.sites import Site, parse_site
from torch import Tensor
from transformers import Lfm2ForCausalLM, LlamaForCausalLM, Qwen2ForCausalLM

SEEDS, WHOLLY_PROVEN = 20, 6
CLASSES = {"qwen2": Qwen2ForCausalLM, "llama": LlamaForCausalLM, "lfm2": Lfm2ForCausalLM}
ARCHITECTURES = {kind: set(CLASSES) for kind in KINDS} | {"induction": {"qwen2"}, "backup_head": {"qwen2", "llama"}}


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", KINDS)
def test_the_structure_is_what_the_truth_says(kind: str, seed: int) -> None:
    """That interventions act as planned, whatever is planted, is proven of the first models, of every architecture."""
    planted = build(kind, seed)
    if seed < WHOLLY_PROVEN:
        prove(planted)
        return
    measured = Measured(planted)
    prove_claims(planted, measured)
    find_kind(kind).prove(planted, measured)


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_every_architecture_are_wholly_proven(kind: str) -> None:
    proven = {build(kind, seed).truth.architecture for seed in range(WHOLLY_PROVEN)}
    assert proven == ARCHITECTURES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_model_and_seeds_give_different_ones(kind: str) -> None:
    many = [build(kind, seed) for seed in range(SEEDS)]
    again = build(kind, 3)
    assert again.truth == many[3].truth
    assert all(torch.equal(value, again.module.state_dict()[k]) for k, value in many[3].module.state_dict().items())
    assert {planted.truth.architecture for planted in many} == ARCHITECTURES[kind]
    assert len({(p.truth.architecture, p.truth.layers, p.truth.statement) for p in many}) >= SEEDS * 3 // 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_genuine_frozen_and_claimed_about(kind: str) -> None:
    planted = build(kind, 1)
    assert type(planted.module) is CLASSES[planted.truth.architecture]
    assert not planted.module.training
    assert {(p.dtype, p.requires_grad) for p in planted.module.parameters()} == {(torch.float32, False)}
    assert {claim.holds for claim in planted.truth.claims} == {True, False}
    assert planted.module.config.num_hidden_layers == planted.truth.layers


def test_building_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build("tie", 0)
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(LookupError, match="dead_layer"):
        build("no_such_kind", 0)


def weight(planted: Planted, label: str, names: tuple[str, ...]) -> Tensor:
    """The first of some weights of an operator or MLP."""
    part = dissect(planted.module).module(parse_site(label))
    return next(child.weight for name, child in part.named_children() if name in names)


def wake_the_dead(planted: Planted) -> None:
    weight(planted, f"{planted.truth.facts['dead']}.mlp", WRITES)[0, 0] = 1e-3


def make_another_layer_busy(planted: Planted) -> None:
    hub = parse_site(planted.truth.facts["hub"])
    other = f"L{(hub.layer + 1) % planted.truth.layers}.operator"
    weight(planted, other, WRITES).mul_(10)


def move_the_previous_word(planted: Planted) -> None:
    layer, _ = planted.truth.facts["previous"]
    planted.module.model.layers[layer].self_attn.k_proj.bias.zero_()


def forget_entries(planted: Planted) -> None:
    weight(planted, planted.truth.facts["site"], WRITES)[:, :3] = 0


def dismiss_the_backup(planted: Planted) -> None:
    weight(planted, planted.truth.facts["pair"][1], WRITES).zero_()


def untie_a_little(planted: Planted) -> None:
    weight(planted, f"{planted.truth.facts['tied'][0][0]}.mlp", WRITES)[0, 0] += 1e-6


def explode_less(planted: Planted) -> None:
    weight(planted, planted.truth.facts["site"], WRITES)[:, 0] *= 0.6


def turn_the_reader(planted: Planted) -> None:
    reader = int(planted.truth.facts["layer"][1:]) + 1
    weight(planted, f"L{reader}.mlp", WRITES)[:, 0] *= -1


SPOILT = {
    "dead_layer": wake_the_dead,
    "single_hub": make_another_layer_busy,
    "induction": move_the_previous_word,
    "lookup": forget_entries,
    "backup_head": dismiss_the_backup,
    "tie": untie_a_little,
    "norm_explosion": explode_less,
    "steering_direction": turn_the_reader,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_model_fails_the_proof_of_its_kind(kind: str) -> None:
    planted = build(kind, 2)
    with torch.no_grad():
        SPOILT[kind](planted)
    with pytest.raises(NotAsPlanted):
        find_kind(kind).prove(planted, Measured(planted))


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_turned_round_is_found_out(kind: str) -> None:
    planted = build(kind, 4)
    measured = Measured(planted)
    for claim in planted.truth.claims:
        turned = replace(planted, truth=replace(planted.truth, claims=(replace(claim, holds=not claim.holds),)))
        with pytest.raises(NotAsPlanted, match="wide margin"):
            prove_claims(turned, measured)


@pytest.mark.parametrize("claim", [top, at_least, at_most])
def test_claims_near_their_bound_are_neither_true_nor_false(claim: Callable[..., object]) -> None:
    planted = build("lookup", 0)
    measured = Measured(planted)
    if claim is top:  # two MLPs of small random weights: neither leads by a wide margin
        names = [f"L{i}.operator" for i in range(planted.truth.layers)]
        ranked = sorted(names, key=measured.typical)
        claims = [top(holds, ranked[-1]) for holds in (True, False)]
        assert measured.mean_kl(ranked[-1]) < 0.02
    else:
        site = planted.truth.facts["site"]
        bound = 1.1 * float(torch.tensor(measured.typical(site)).exp())
        claims = [claim(holds, site, bound) for holds in (True, False)]  # type: ignore[misc]
    for each in claims:
        with pytest.raises(NotAsPlanted, match="wide margin"):
            prove_claims(replace(planted, truth=replace(planted.truth, claims=(each,))), measured)


def test_ablating_both_heads_of_a_backup_pair_is_more_than_the_sum_of_each() -> None:
    planted = build("backup_head", 0)
    measured = Measured(planted)
    sites: list[Site] = [parse_site(label) for label in planted.truth.facts["pair"]]
    alone = [measured.mean_kl_of(measured.without(site)) for site in sites]
    assert measured.mean_kl_of(measured.without(*sites)) > 10 * sum(alone)


def test_induction_continues_sequences_that_the_test_made() -> None:
    planted = build("induction", 7)
    generator = torch.Generator().manual_seed(1)
    right = total = 0
    for _ in range(20):
        row = 2 + torch.randperm(planted.tokenizer.get_vocab_size() - 2, generator=generator)[:9]
        ids = torch.cat([torch.tensor([1]), row, row])[None]
        said = planted.module(input_ids=ids, use_cache=False).logits.argmax(-1)[0]
        right += int((said[10:-1] == ids[0, 11:]).sum())
        total += 8
    assert right >= 0.95 * total
