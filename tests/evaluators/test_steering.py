"""tests: steering against means and passes written out in plain torch, and against a planted direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.cells import APPLIES, Cell, NotEvaluated
from mi_atlas.evaluators.directions import Directions
from mi_atlas.evaluators.maps import least_squares, procrustes, rotation
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.models.locate import Located
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Replay
from mi_atlas.evaluators.sides import Sides
from mi_atlas.evaluators.steering import Bench, Steering
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from mi_atlas.specs.metrics.steering import Anti, ShuffledLabels, Steer
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.sites import Frame, Site
from pydantic import ValidationError
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from .conftest import LAYERS, SIZES, block, micro, wrap

EVEN, ODD = [str(i) for i in range(0, 50, 2)], [str(i) for i in range(1, 50, 2)]
ANSWER: dict[str, Any] = {"contrast": "answer", "positive": EVEN, "negative": ODD}
PAIRS: dict[str, Any] = {"contrast": "clean_corrupt"}
TASK: dict[str, Any] = {"contrast": "family", "towards": "other"}
NAMES = ("made", "other", "third")
COUNT = 10
"""Examples of a block."""
LEARNT = 18
"""Of a discovery block."""

CLAIM: dict[str, Any] = {
    "claim": "pocket-qwen/steered",
    "statement": "A direction moves the answer.",
    "model": "pocket-qwen",
    "suite": "main-12",
    "metric": {
        "evaluator": "steering",
        "quantity": "slope",
        "contrast": "answer",
        "positive": ["Yes"],
        "negative": ["No"],
    },
    "counterfactual": {"intervention": "steer", "strength": 1},
    "robustness": [{"intervention": "anti", "strength": 0.5, "unit": "residual"}],
    "control": {"kind": "random_direction"},
    "expect": {"form": "threshold", "component": "L2.residual", "at_least": 0.5},
    "threshold": {"high": 0.995, "medium": 0.95},
}


def claim(**metric: Any) -> MeasuredClaim:
    made = ClaimAdapter.validate_python(CLAIM | {"metric": CLAIM["metric"] | metric})
    assert isinstance(made, MeasuredClaim)
    return made


def materials(settings: dict[str, Any], about: str = "steered", donor: LoadedModel | None = None) -> Materials:
    discovery = [block(name, n=LEARNT, seed=1) for name in NAMES]
    return Materials([block(name, n=COUNT) for name in NAMES], settings | {"about": about}, discovery, donor)


def measure(
    module: nn.Module, settings: dict[str, Any], *cells: Cell, about: str = "steered", donor: LoadedModel | None = None
) -> dict[Cell, dict[str, Any]]:
    results = Steering().measure(wrap(module), materials(settings, about, donor), cells)
    return {result.cell: dict(result.values) for result in results}


def directions(settings: dict[str, Any], module: nn.Module, donor: LoadedModel | None = None) -> Directions:
    sites = [Site(layer, "residual") for layer in range(LAYERS + 1)]
    return Directions(wrap(module), Replay(module), materials(settings, donor=donor), sites)


# the literal version: a hook before a layer or the final norm, one prompt at a time


def entries(module: Any) -> list[nn.Module]:
    """What the stream enters: every layer, then the final norm."""
    final = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    return [*module.model.layers, final]


@contextmanager
def adding(module: nn.Module, at: int, vector: Tensor, last: bool) -> Iterator[None]:
    def add(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        added = vector.expand_as(args[0]).clone()
        if last:
            added[:, :-1] = 0
        return (args[0] + added, *args[1:])

    hook = entries(module)[at].register_forward_pre_hook(add)
    yield
    hook.remove()


def last_logits(module: Any, ids: tuple[int, ...]) -> Tensor:
    return module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()


def ends(module: Any, prompts: list[tuple[int, ...]], at: int) -> Tensor:
    """The stream at the last token of each prompt, [prompt, d_model]."""
    seen: list[Tensor] = []
    hook = entries(module)[at].register_forward_pre_hook(lambda m, args: seen.append(args[0][0, -1]))
    for ids in prompts:
        module(input_ids=torch.tensor([ids]), use_cache=False)
    hook.remove()
    return torch.stack(seen)


def sides(examples: tuple[Example, ...]) -> list[tuple[int, tuple[int, ...], tuple[int, ...], int, int]]:
    """(number, positive prompt, negative prompt, positive answer, negative answer): even answers are positive."""
    found = []
    for i, e in enumerate(examples):
        a, b = e.target_ids[0], e.wrong_target_ids[0]
        if a % 2 == 0 and b % 2 == 1:
            found.append((i, e.clean_ids, e.corrupt_ids, a, b))
        if a % 2 == 1 and b % 2 == 0:
            found.append((i, e.corrupt_ids, e.clean_ids, b, a))
    return found


def difference(module: nn.Module, name: str, at: int) -> Tensor:
    found = sides(block(name, n=LEARNT, seed=1).examples)
    positive, negative = (ends(module, [each[k] for each in found], at) for k in (1, 2))
    return positive.mean(0) - negative.mean(0)


WORDS = [
    ("L1.residual", "steer(2)", 2.0, True),
    ("L2.residual@last", "steer(-1.5)", 1.5, False),
    ("L3.residual", "anti(1.5)", 1.5, False),
    ("L1.residual@last", "steer(0.5,residual)", 0.5, True),
]


@pytest.mark.parametrize(("site", "word", "strength", "forward"), WORDS)
def test_steering_is_a_vector_added_before_a_layer(
    architecture: str, site: str, word: str, strength: float, forward: bool
) -> None:
    module, at, some = micro(architecture), int(site[1]), block("made", n=COUNT)
    vector = difference(module, "made", at)
    if "residual)" in word:
        prompts = [prompt for each in sides(block("made", n=LEARNT, seed=1).examples) for prompt in each[1:3]]
        vector = vector / vector.norm() * ends(module, prompts, at).norm(dim=-1).mean()
    sign = 1 if forward else -1
    cell, points = Cell("made", site, word), (-1, -0.5, 0, 0.5, 1)
    got = measure(module, ANSWER, cell)[cell]
    slopes = measure(module, ANSWER, cell, about="slope")[cell]
    found = sides(some.examples)
    assert 2 < len(found) < len(some.examples)
    assert got[APPLIES] == [float(i in {each[0] for each in found}) for i in range(len(some.examples))]
    for i, positive, negative, yes, no in found:
        prompt, odds, logits = negative if forward else positive, [], []
        for point in points:
            with adding(module, at, point * sign * strength * vector, "@last" in site):
                logits.append(last_logits(module, prompt))
            odds.append(float(logits[-1][yes] - logits[-1][no]))
        assert got["logit_diff_change"][i] == pytest.approx(sign * (odds[4] - odds[2]), abs=1e-4)
        assert got["flipped"][i] == float(sign * odds[2] <= 0 < sign * odds[4])
        assert got["kl"][i] == pytest.approx(float(kl_divergence(logits[2][None], logits[4][None])), abs=1e-5)
        strengths = torch.tensor(points, dtype=torch.float64) * sign * strength
        line = torch.stack([strengths, torch.ones(5, dtype=torch.float64)], 1)
        slope = torch.linalg.lstsq(line, torch.tensor(odds, dtype=torch.float64)[:, None]).solution[0, 0]
        assert slopes["slope"][i] == pytest.approx(float(slope), abs=1e-4)
        assert slopes["anti_steerable"][i] == float(slope < 0)


def test_a_slope_by_hand() -> None:
    """P = 1, 2, 2, 5, 5 at t = -2, -1, 0, 1, 2: sum t P / sum t^2 = (-2 - 2 + 5 + 10) / 10 = 1.1."""
    odds = {-1.0: 1.0, -0.5: 2.0, 0.5: 5.0, 1.0: 5.0}
    module, found = micro("qwen2"), sides(block("made", n=COUNT).examples)
    cell, i = Cell("made", "L3.residual", "steer(2)"), found[0][0]

    class Fixed(Replay):
        def run(self, prompts: Any, interventions: Any, readout: Any = None) -> Any:
            measured = super().run(prompts, interventions, readout)
            lead = torch.tensor(list(odds.values()), dtype=torch.float64)[:, None].expand(4, len(prompts))
            return replace(measured, values=measured.values | {"lead": lead})

    bench = Bench(wrap(module), materials(ANSWER, "slope"), [cell])
    bench.replay = Fixed(module)
    ((_, values),) = bench.values("made", True, [cell], [])
    assert values["slope"][i] == pytest.approx(1.1)


def test_what_other_families_directions_do_is_off_target(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L1.residual", "steer(2)")
    got = measure(module, ANSWER, cell, about="off_target")[cell]
    for i, example in enumerate(block("made", n=COUNT).examples):
        clean, kls = last_logits(module, example.clean_ids)[None], []
        for name in ("other", "third"):
            with adding(module, 1, 2 * difference(module, name, 1), False):
                kls.append(float(kl_divergence(clean, last_logits(module, example.clean_ids)[None])))
        assert got["off_target_kl"][i] == pytest.approx(sum(kls) / 2, abs=1e-5)
    assert got[APPLIES] == [1.0] * COUNT
    only = measure(module, ANSWER | {"families": ["made"]}, cell, about="off_target")[cell]
    assert only[APPLIES] == [0.0] * COUNT


@pytest.mark.parametrize(("word", "sign"), [("steer(1)", 1), ("anti(1)", -1)])
def test_a_task_vector_pushes_other_families_prompts_to_its_answers(architecture: str, word: str, sign: int) -> None:
    module, discovery = micro(architecture), {name: block(name, n=LEARNT, seed=1).examples for name in NAMES}
    means = {name: ends(module, [e.clean_ids for e in some], 2) for name, some in discovery.items()}
    vector = means["other"].mean(0) - torch.cat([means["made"], means["third"]]).mean(0)
    answers = {e.target_ids[0] for e in discovery["other"]}
    cells = [Cell(name, "L2.residual", word) for name in NAMES]
    got = measure(module, TASK, *cells)
    assert got[cells[1]][APPLIES] == [0.0] * COUNT
    for cell in (cells[0], cells[2]):
        for i, e in enumerate(block(cell.family, n=COUNT).examples):
            clean = last_logits(module, e.clean_ids)
            with adding(module, 2, sign * vector, False):
                after = last_logits(module, e.clean_ids)
            kept = sorted(answers - {e.target_ids[0]})
            odds = [float(x[kept].logsumexp(0) - x[e.target_ids[0]]) for x in (clean, after)]
            assert got[cell]["logit_diff_change"][i] == pytest.approx(sign * (odds[1] - odds[0]), abs=1e-4)
            assert got[cell]["flipped"][i] == float(sign * odds[0] <= 0 < sign * odds[1])


@pytest.mark.parametrize("label", ["L1", "L2.mlp", "L1.operator", "L1.head2", "L2.mlp@last", "L0.mlp+L2.mlp"])
def test_any_site_has_a_direction(architecture: str, label: str) -> None:
    cell = Cell("made", label, "steer(3)")
    module = micro(architecture)
    assert any(measure(module, ANSWER, cell)[cell]["logit_diff_change"])
    residual = Cell("made", label, "steer(3,residual)")
    if "head" in label:
        with pytest.raises(NotEvaluated, match=r"no unit at L1\.head2"):
            measure(module, ANSWER, residual)
    else:
        assert any(measure(module, ANSWER, residual)[residual]["logit_diff_change"])


def test_the_last_token_that_both_sides_share_has_no_direction_at_the_embedding() -> None:
    module = micro("llama")
    discovery = block("made", n=LEARNT, seed=1)
    shared = [
        replace(e, clean_ids=(*e.clean_ids, 7 + i), corrupt_ids=(*e.corrupt_ids, 7 + i))
        for i, e in enumerate(discovery.examples)
    ]
    given = Materials([block("made")], ANSWER | {"about": "steered"}, [Block.of("made", "discovery", 1, shared, {})])
    cells = [Cell("made", f"L{i}.residual", word) for i in (0, 1) for word in ("steer(5)", "steer(5,residual)")]
    got = {r.cell: r.values for r in Steering().measure(wrap(module), given, cells)}
    for cell in cells:
        assert any(got[cell]["logit_diff_change"]) == (cell.site == "L1.residual")


def test_half_precision_is_steered_too() -> None:
    module, cell = micro("llama"), Cell("made", "L2.residual", "steer(2)")
    full = measure(module, ANSWER, cell)[cell]["logit_diff_change"]
    half = module.to(torch.bfloat16)
    given = replace(wrap(half), dtype=torch.bfloat16)
    bench_cells = list(Steering().measure(given, materials(ANSWER), [cell]))
    assert bench_cells[0].values["logit_diff_change"] == pytest.approx(full, abs=0.3)


# the planted direction


def planted(seed: int) -> tuple[Any, Materials, str]:
    made = build("steering_direction", seed)
    discovery, some = made.examples(40, split="discovery"), made.examples(40)
    assert not {e.template for e in discovery.examples} & {e.template for e in some.examples}
    settings = {"contrast": "answer", "positive": ["yes"], "negative": ["no"], "about": "slope"}
    return made, Materials([some], settings, [discovery]), f"L{int(made.truth.facts['layer'][1:]) + 1}.residual"


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_planted_direction_is_found_and_steers_where_it_is_read(seed: int) -> None:
    made, given, site = planted(seed)
    facts, layers = made.truth.facts, made.truth.layers
    direction = torch.tensor(facts["direction"], dtype=torch.float64)
    there = Site(int(site[1 : site.index(".")]), "residual")
    model = made.loaded()
    learnt = Directions(model, Replay(made.module), given, [there])
    vector = learnt.vector("steering-direction", there)
    assert torch.cosine_similarity(vector, direction, dim=0) >= facts["cosine"]
    strength = facts["strength"] / float(vector.norm())
    words = [f"{name}({strength})" for name in ("steer", "anti")]

    def moved(site: str, twist: str = "", draw: int = 0, **more: Any) -> float:
        """Mean over clean and corrupt prompts by how much the strength moves the pair, along the fitted line."""
        cells = [Cell("steering-direction", site, word + twist, draw) for word in words]
        again = replace(given, settings={**given.settings, **more}, donor=model if more else None)
        results = list(Steering().measure(model, again, cells))
        return sum(sum(r.values["slope"]) for r in results) / 80 * strength

    assert moved(site) >= facts["shift"]
    random = torch.tensor([moved(site, "|random_direction", draw) for draw in range(6)])
    same, own = (
        torch.tensor([moved(site, f"|shuffled_labels{norm}", draw) for draw in range(6)]) for norm in ("", "_own_norm")
    )
    assert float(random.square().mean().sqrt()) <= facts["random"]
    assert float(random.abs().max()) < facts["shift"] / 2
    # what prompts differ in most is the planted direction: chance labels show it too, shorter, with chance signs
    assert float(own.abs().max()) < facts["shift"] / 2
    assert float(same.min()) < 0 < float(same.max()) < moved(site)
    elsewhere = [
        moved(f"L{i}.residual", map="identity", donor_site=site) for i in range(1, layers + 1) if i != there.layer
    ]
    assert max(map(abs, elsewhere)) <= moved(site) / 2


# controls


def test_labels_are_dealt_anew_over_the_same_prompts() -> None:
    rows = tuple(("made", i) for i in range(4)), tuple(("made", i) for i in range(4, 8))
    own = Sides(*rows, True)
    dealings = [own.dealt_anew(nth, "made") for nth in range(69)]
    for dealt in dealings:
        assert sorted(dealt.positive + dealt.negative) == sorted(own.positive + own.negative)
        assert len(dealt.positive) == 4
        assert set(dealt.positive) != set(own.positive)
    assert len({frozenset(dealt.positive) for dealt in dealings}) == 69  # all of C(8, 4) but the true one
    with pytest.raises(NotEvaluated, match=r"draw 69 .* have 69"):
        own.dealt_anew(69, "made")


def test_halves_are_distinct_and_of_one_example_each() -> None:
    own = Sides(tuple(("a", i) for i in range(4)), tuple(("a", 4 + i) for i in range(4)), True)
    halves = [own.half(nth, "a") for nth in range(6)]
    assert len({half.positive for half in halves}) == 6
    for half in halves:
        assert [(name, i + 4) for name, i in half.positive] == list(half.negative)
    with pytest.raises(NotEvaluated, match="have 6"):
        own.half(6, "a")


TWISTS = ["random_direction", "shuffled_labels", "wrong_task"]


@pytest.mark.parametrize("settings", [ANSWER, PAIRS, TASK])
@pytest.mark.parametrize("twist", TWISTS)
def test_draws_of_a_control_differ_and_have_the_directions_norm(settings: dict[str, Any], twist: str) -> None:
    learnt, site = directions(settings, micro("llama")), Site(2, "residual")
    name = settings.get("towards", "made")
    own = learnt.vector(name, site)
    draws = [learnt.vector(name, site, twist, nth) for nth in range(20)]
    assert all(torch.equal(draw, learnt.vector(name, site, twist, nth)) for nth, draw in enumerate(draws))
    for i, draw in enumerate(draws):
        assert float(draw.norm()) == pytest.approx(float(own.norm()))
        assert all(float((draw - other).norm()) > 1e-3 for other in [own, *draws[:i]])


def test_chance_labels_may_keep_their_norm_where_the_unit_is_the_vector() -> None:
    module = micro("llama")
    words = [f"steer(1{unit})|shuffled_labels{own}" for unit in ("", ",residual") for own in ("", "_own_norm")]
    cells = [Cell("made", "L1.residual", word, 2) for word in words]
    got = [measure(module, PAIRS, cell)[cell]["kl"] for cell in cells]
    assert got[0] != pytest.approx(got[1], rel=0.01)
    assert got[2] == pytest.approx(got[3])
    learnt = directions(PAIRS, module)
    same, own = (learnt.vector("made", Site(1, "residual"), f"shuffled_labels{end}", 2) for end in ("", "_own_norm"))
    assert float(torch.cosine_similarity(same, own, dim=0)) == pytest.approx(1)


def test_a_wrong_task_is_another_familys_direction_from_half_of_its_examples() -> None:
    module, site = micro("qwen2"), Site(1, "residual")
    learnt = directions(PAIRS, module)
    for nth, name in enumerate(("other", "third", "other", "third")):
        half = learnt.sides[name].half(nth // 2, name)
        examples = block(name, n=LEARNT, seed=1).examples
        assert len(half.positive) == LEARNT // 2
        some = [examples[i] for _, i in half.positive]
        vector = ends(module, [e.clean_ids for e in some], 1).mean(0) - ends(
            module, [e.corrupt_ids for e in some], 1
        ).mean(0)
        drawn = learnt.vector("made", site, "wrong_task", nth)
        assert float(torch.cosine_similarity(vector.double(), drawn, dim=0)) == pytest.approx(1, abs=1e-5)


def test_a_shuffled_direction_is_learnt_from_its_dealing() -> None:
    module = micro("qwen2")
    learnt, examples = directions(PAIRS, module), block("made", n=LEARNT, seed=1).examples
    prompts = [e.clean_ids for e in examples] + [e.corrupt_ids for e in examples]
    streams, dealt = ends(module, prompts, 1), learnt.sides["made"].dealt_anew(3, "made")
    vector = streams[[i for _, i in dealt.positive]].mean(0) - streams[[i for _, i in dealt.negative]].mean(0)
    drawn = learnt.vector("made", Site(1, "residual"), "shuffled_labels", 3)
    assert float(torch.cosine_similarity(vector.double(), drawn, dim=0)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("about", ["steered", "slope", "off_target"])
def test_measured_draws_differ(about: str) -> None:
    twists = TWISTS[:2] if about == "off_target" else TWISTS
    cells = [Cell("made", "L2.residual", f"steer(2)|{twist}", draw) for twist in twists for draw in range(20)]
    got = measure(micro("llama"), ANSWER, *cells, about=about)
    first = {"steered": "kl", "slope": "slope", "off_target": "off_target_kl"}[about]
    assert len({tuple(got[cell][first]) for cell in cells}) == len(cells)


def test_the_engine_asks_for_draws_by_word_and_seed() -> None:
    spec = ShuffledLabels(kind="shuffled_labels")
    located = Located(Model(model="m", source=Source(path="m")), Path(), {}, LAYERS, "Any", Path(), {}, 0)
    runs = list(control_runs(spec, located, [Effect("steer(2)", 0, "L1.residual")], ()))
    assert [(run.intervention, run.seed) for run in runs] == [("steer(2)|shuffled_labels", i) for i in range(20)]


# another model's directions


def test_the_same_model_as_donor_changes_nothing(architecture: str) -> None:
    module = micro(architecture)
    cells = [Cell(name, "L2.residual", word) for name in NAMES for word in ("steer(2)", "anti(0.5,residual)")]
    alone = measure(module, ANSWER, *cells)
    donor = measure(module, ANSWER | {"map": "identity"}, *cells, donor=wrap(micro(architecture)))
    assert alone == donor
    there = ANSWER | {"map": "identity", "donor_site": "L2.residual"}
    assert alone == measure(module, there, *cells, donor=wrap(micro(architecture)))
    other = ANSWER | {"map": "identity", "donor_site": "L1.residual"}
    assert alone != measure(module, other, *cells, donor=wrap(micro(architecture)))


def test_a_map_finds_the_rotation_and_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    turn = rotation(6, 8, 1)
    assert torch.allclose(turn @ turn.T, torch.eye(6, dtype=torch.float64))
    assert torch.allclose(procrustes(x + 3, 2.5 * x @ turn - 1), 2.5 * turn)
    assert torch.allclose(least_squares(x + 3, 2.5 * x @ turn - 1), 2.5 * turn)
    skewed = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    assert torch.allclose(least_squares(x, x @ skewed), skewed)
    assert not torch.allclose(procrustes(x, x @ skewed), skewed)
    few = procrustes(x[:4], x[:4] @ turn)
    assert torch.linalg.matrix_rank(few) == 3
    with pytest.raises(NotEvaluated, match="more texts"):
        least_squares(x[:7], x[:7])
    with pytest.raises(NotEvaluated, match="the same for all"):
        procrustes(x, torch.ones_like(x))


@pytest.mark.parametrize("way", ["procrustes", "least_squares"])
def test_a_map_is_fitted_to_other_templates_than_the_direction_is_learnt_from(way: str) -> None:
    module, donor = micro("llama"), micro("qwen2", seed=3)
    learnt = directions(PAIRS | {"map": way}, module, wrap(donor))
    x, y, kept = [], [], []
    for name in NAMES:
        examples = block(name, n=LEARNT, seed=1).examples
        fitting = [e for e in examples if e.template.endswith("t1")]
        kept.append([e for e in examples if not e.template.endswith("t1")])
        prompts = [*(e.clean_ids for e in fitting), *(e.corrupt_ids for e in fitting)]
        x.append(ends(donor, prompts, 1).double())
        y.append(ends(module, prompts, 1).double())
    fit = {"procrustes": procrustes, "least_squares": least_squares}[way](torch.cat(x), torch.cat(y))
    made = ends(donor, [e.clean_ids for e in kept[0]], 1).mean(0) - ends(
        donor, [e.corrupt_ids for e in kept[0]], 1
    ).mean(0)
    assert len(kept[0]) == LEARNT * 2 // 3
    assert torch.allclose(learnt.vector("made", Site(1, "residual")), made.double() @ fit, atol=1e-3)


@pytest.mark.parametrize("twist", ["random_map", "shuffled_pairs", *TWISTS])
def test_controls_of_a_mapped_direction_differ_and_keep_its_norm(twist: str) -> None:
    learnt, site = directions(PAIRS | {"map": "procrustes"}, micro("llama"), wrap(micro("qwen2"))), Site(2, "residual")
    own = learnt.vector("made", site)
    draws = [learnt.vector("made", site, twist, nth) for nth in range(12)]
    for i, draw in enumerate(draws):
        assert float(draw.norm()) == pytest.approx(float(own.norm()))
        assert all(float((draw - other).norm()) > 1e-3 for other in [own, *draws[:i]])


def test_widths_that_differ_have_no_identity() -> None:
    torch.manual_seed(0)
    wide = LlamaForCausalLM(LlamaConfig(**SIZES | {"hidden_size": 24, "head_dim": 6})).eval().requires_grad_(False)
    cell = Cell("made", "L1.residual", "steer(1)")
    with pytest.raises(NotEvaluated, match="24 there and 16"):
        measure(micro("llama"), ANSWER | {"map": "identity"}, cell, donor=wrap(wide))
    assert any(measure(micro("llama"), ANSWER | {"map": "procrustes"}, cell, donor=wrap(wide))[cell]["kl"])


# cells and errors


@pytest.mark.parametrize("about", ["steered", "slope", "off_target"])
def test_a_cell_alone_is_the_cell_among_others(about: str) -> None:
    module = micro("lfm2")
    words = ("steer(2)", "anti(1,residual)", "steer(-1)", "steer(2)|random_direction", "steer(2)|shuffled_labels")
    cells = [Cell(name, site, word, 3) for name in NAMES for site in ("L1.residual", "L2.mlp@last") for word in words]
    among = measure(module, ANSWER, *cells, about=about)
    assert among.keys() == set(cells)
    for cell in cells[::4]:
        alone = measure(module, ANSWER, cell, about=about)[cell]
        for name, values in alone.items():
            assert values == pytest.approx(among[cell][name], abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "cell", "about", "says"),
    [
        (ANSWER, Cell("made", "L1.residual", "zero"), "steered", "steers nothing"),
        (ANSWER, Cell("made", "L9.residual", "steer(1)"), "steered", "no L9"),
        (ANSWER, Cell("made", "L1.residual", "steer(1)|nonsense"), "steered", "no nonsense"),
        (ANSWER, Cell("made", "L1.residual", "steer(1)|random_map"), "steered", "without a donor"),
        (ANSWER, Cell("made", "L1.residual", "steer(1)|wrong_task", 10**6), "steered", "draw 1000000"),
        (ANSWER, Cell("made", "L1.residual", "steer(1)|wrong_task"), "off_target", "no wrong_task"),
        (ANSWER | {"positive": ["none"]}, Cell("made", "L1.residual", "steer(1)"), "steered", "positive and negative"),
        (ANSWER | {"families": ["who"]}, Cell("made", "L1.residual", "steer(1)"), "steered", "no family who"),
        (TASK | {"towards": "who"}, Cell("made", "L1.residual", "steer(1)"), "steered", "no family who"),
    ],
)
def test_what_cannot_be_steered_is_not_evaluated(settings: dict[str, Any], cell: Cell, about: str, says: str) -> None:
    with pytest.raises(NotEvaluated, match=says):
        measure(micro("qwen2"), settings, cell, about=about)


def test_a_cell_that_fails_does_not_take_others_with_it() -> None:
    good, bad = Cell("made", "L1.residual", "steer(1)"), Cell("made", "L1.residual", "steer(1)|random_map")
    results = Steering().measure(wrap(micro("qwen2")), materials(ANSWER), [bad, good])
    assert next(results).cell == good
    with pytest.raises(NotEvaluated, match="without a donor"):
        next(results)


@pytest.mark.parametrize("settings", [ANSWER | {"about": "off_target"}, TASK | {"towards": "made", "about": "steered"}])
def test_one_family_has_nothing_beside_it(settings: dict[str, Any]) -> None:
    one = Materials([block("made")], settings, [block("made", n=LEARNT, seed=1)])
    with pytest.raises(NotEvaluated) as error:
        list(Steering().measure(wrap(micro("qwen2")), one, [Cell("made", "L1.residual", "steer(1)")]))
    assert error.value.code == "one_family"


# specs


def test_settings_hold_what_decides_numbers() -> None:
    assert claim().metric.settings() == {
        "contrast": "answer",
        "positive": ["Yes"],
        "negative": ["No"],
        "about": "slope",
    }
    assert claim(quantity="anti_steerable").metric.settings() == claim().metric.settings()
    assert claim(quantity="kl").metric.settings()["about"] == "steered"
    mapped = claim(donor="pocket-llama", map="procrustes", donor_site="L1.residual").metric.settings()
    assert mapped["map"] == "procrustes"
    assert mapped["donor_site"] == "L1.residual"
    assert "donor" not in mapped
    assert claim().metric.sweep(Frame(2)) == ("L0.residual", "L1.residual", "L2.residual")


def test_words_say_what_decides_numbers() -> None:
    assert claim().counterfactual.word == "steer(1)"
    assert claim().robustness[0].word == "anti(0.5,residual)"
    assert Steer(intervention="steer", strength=-0.25).word == "steer(-0.25)"
    assert Steer(intervention="steer", strength=1e-7).word == "steer(1e-07)"
    assert Anti(intervention="anti", strength=2.0).word == "anti(2)"
    for wrong in ({"strength": 0.0}, {"strength": float("inf")}, {}):
        with pytest.raises(ValidationError):
            Steer(intervention="steer", **wrong)
    with pytest.raises(ValidationError):
        Anti(intervention="anti", strength=-1.0)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ({"positive": None}, "needs positive"),
        ({"towards": "copying"}, "does not belong"),
        ({"contrast": "family", "positive": None, "negative": None}, "needs towards"),
        ({"contrast": "clean_corrupt"}, "positive does not belong"),
        ({"negative": ["Yes"]}, "both positive and negative"),
        ({"donor": "pocket-llama"}, "go together"),
        ({"map": "identity"}, "go together"),
        ({"donor_site": "L1.residual"}, "there is none"),
        ({"donor": "pocket-llama", "map": "identity", "donor_site": "L1+L2"}, "one site"),
        ({"donor": "pocket-llama", "map": "identity", "donor_site": "L1@last"}, "one site"),
        (
            {
                "contrast": "family",
                "positive": None,
                "negative": None,
                "towards": "copying",
                "quantity": "off_target_kl",
            },
            "none is off target",
        ),
    ],
)
def test_fields_of_a_contrast_belong_together(metric: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim(**metric)
