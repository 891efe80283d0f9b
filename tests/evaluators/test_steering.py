"""tests: steering against means and passes written out in plain torch, and against a planted direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import APPLIES, Cell, NotEvaluated
from mi_atlas.evaluators.directions import Directions
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Replay
from mi_atlas.evaluators.steering import Bench, Steering
from mi_atlas.evaluators.tasks import Block
from mi_atlas.specs.sites import Site

from .conftest import block, micro, wrap
from .steered import (
    ANSWER,
    COUNT,
    LEARNT,
    NAMES,
    TASK,
    adding,
    difference,
    ends,
    last_logits,
    materials,
    measure,
    sides,
)

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
    (values,) = bench.values("made", True, [cell])
    assert not isinstance(values, NotEvaluated)
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
