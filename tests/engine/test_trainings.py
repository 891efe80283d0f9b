"""tests: trainings in a plan: maps are measured first, trainings are cut whole, and what decides them is in the key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.controls import dealt_anew
from mi_atlas.engine.gather import gather
from mi_atlas.engine.memo import Memo
from mi_atlas.engine.needs import Resolved, Run
from mi_atlas.engine.plan import training_of
from mi_atlas.engine.pool import pieces
from mi_atlas.engine.registrations import Standing
from mi_atlas.engine.resolve import Resolver
from mi_atlas.engine.select import load
from mi_atlas.evaluators.finetuning import rows
from mi_atlas.evaluators.finetuning.job import atlas_name
from mi_atlas.specs.recipe import AtlasTargets, Data
from mi_atlas.store import Ledger

from .conftest import HUB, LAYERS, Desk, Listener, claim

AIM = {"strategy": "atlas", "suite": "tiny", "granularity": "layer", "top": 1}
DATA = {"families": ["copying"]}


def recipes(**changes: Any) -> dict[str, Any]:
    common = {"training": "lora", "data": DATA, "rank": 2, "steps": 2, "batch": 2, "learning_rate": 0.01}
    everywhere = {"strategy": "named", "modules": ["o_proj"]}
    return {"aimed": {**common, "targets": AIM, **changes}, "everywhere": {**common, "targets": everywhere}}


def trained(**changes: Any) -> dict[str, Any]:
    """A claim that one recipe moves a model less than another."""
    return claim(
        metric={"evaluator": "training", "quantity": "kl_from_base", "recipes": recipes(), "seeds": 5},
        counterfactual={"intervention": "train"},
        robustness=[],
        control={"kind": "permuted_conditions", "draws": 20, "ratio": 1.01},
        expect={
            "form": "ratio",
            "numerator": {"component": "everywhere"},
            "denominator": {"component": "aimed"},
            "at_least": 1.0,
        },
        **changes,
    )


def resolve(desk: Desk, document: dict[str, Any]) -> Resolved:
    desk.write("small/one", document)
    claims, library = load(desk.workspace)
    return Resolver(library, Memo({}, {}, desk.root), desk.root).resolve(claims["small/one"].claim, 1)


def test_a_recipe_that_is_aimed_needs_its_map_first(desk: Desk) -> None:
    resolved = resolve(desk, trained())
    assert not resolved.absent
    main = [run for run in resolved.runs.values() if run.group.trainings]
    maps = [run for run in resolved.runs.values() if run.group.split == "discovery"]
    assert {run.cell.site for run in maps} == {f"L{layer}" for layer in range(LAYERS)}
    assert {run.group.evaluator for run in maps} == {"ablation"}
    assert {(run.cell.site, run.cell.seed) for run in main} == {
        (condition, seed) for condition in ("aimed", "everywhere") for seed in range(1, 6)
    }
    (needed,) = main[0].group.inputs.values()
    assert set(needed.keys) == {run.key for run in maps}
    assert set(needed.keys).isdisjoint(key for keys in resolved.series.values() for key in keys)


def test_what_decides_a_training_is_in_the_key_of_its_own_condition(desk: Desk) -> None:
    def keys(document: dict[str, Any]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for run in resolve(desk, document).runs.values():
            if run.group.trainings:
                found.setdefault(run.cell.site, set()).add(run.key)
        return found

    def changed(**changes: Any) -> dict[str, set[str]]:
        document = trained()
        document["metric"]["recipes"] = recipes(**changes)
        return keys(document)

    before = keys(trained())
    for changes in ({"rank": 3}, {"steps": 3}, {"data": {"families": ["arithmetic"]}}, {"targets": {**AIM, "top": 2}}):
        after = changed(**changes)
        assert after["everywhere"] == before["everywhere"]
        assert after["aimed"].isdisjoint(before["aimed"])
    assert changed(notes="other words") == before


def test_what_data_are_is_remembered_and_no_family_is_imported_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo, ledger, data = Memo({}, {}, desk.root), Ledger(desk.workspace.ledger), Data(families=("copying",))
    found = memo.data_digest(data)
    assert memo.data_digest(Data(families=("arithmetic",))) != found
    memo.save(ledger)
    monkeypatch.setattr(rows, "data_digest", None)
    assert Memo({}, ledger.recall_all("suite"), desk.root).data_digest(data) == found


def test_trainings_are_cut_whole(desk: Desk) -> None:
    desk.write("small/one", trained())
    steps = Audit(desk.workspace, Options(), Listener()).preview().steps
    cut = pieces(steps, 2)
    assert Counter(run.key for _, piece in cut for run in piece.runs) == Counter(
        run.key for step in steps for run in step.runs
    )
    units = [{training_of(piece.group, run.cell) for run in piece.runs} for _, piece in cut if piece.group.trainings]
    assert len(units) > 1
    assert sum(map(len, units)) == len(set.union(*units)) == 10


def test_an_audit_measures_the_map_then_trains_what_it_names_and_trains_nothing_twice(desk: Desk) -> None:
    desk.write("small/one", trained())
    first = desk.audit()
    verdict = first.verdicts["small/one"]
    assert verdict.n_units > 0, verdict.reason
    artefacts = sorted(path.name for path in (desk.workspace.artefacts / "adapters").iterdir())
    assert len(artefacts) == 10
    resolved = resolve(desk, trained())
    (needed,) = next(run.group for run in resolved.runs.values() if run.group.trainings).inputs.values()
    with (ledger := Ledger(desk.workspace.ledger)).reading():
        effects = needed.effects(ledger.values(needed.keys))
    assert max(effects, key=lambda site: effects[site]) == f"L{HUB}"
    again = desk.audit()
    assert again.measured == 0
    assert again.verdicts["small/one"].to_json() == verdict.to_json()


def test_a_map_of_what_the_model_has_not_is_an_error_that_says_so(desk: Desk) -> None:
    document = trained()
    document["metric"]["recipes"] = recipes(targets={**AIM, "granularity": "conv"})
    code, reason = resolve(desk, document).absent["main"]
    assert code == "empty_atlas"
    assert reason == "a recipe is aimed by a map of conv; the model has none"


def test_maps_are_shared_by_whoever_measures_the_same() -> None:
    one = AtlasTargets.model_validate(AIM)
    assert atlas_name(one) == atlas_name(one.model_copy(update={"top": 3, "modules": "mlp"}))
    assert atlas_name(one) != atlas_name(one.model_copy(update={"intervention": "mean"}))


def test_conditions_are_dealt_anew_within_each_example(desk: Desk) -> None:
    resolved = resolve(desk, trained())
    dice = np.random.default_rng(0)
    effects = {
        (f"train[{seed}]", site): dice.normal(size=50) for seed in range(1, 6) for site in ("aimed", "everywhere")
    }
    drawn = dealt_anew(resolved.claim, resolved.sweep, effects)
    assert {(name, draw) for name, _, draw in drawn} == {("train", draw) for draw in range(20)}
    for draw in range(20):
        own = {site: effects[f"train[{1 + draw % 5}]", site] for site in ("aimed", "everywhere")}
        dealt = {site: values for (_, site, number), values in drawn.items() if number == draw}
        for site, values in dealt.items():
            other = own["aimed" if site == "everywhere" else "everywhere"]
            assert np.all((values == own[site]) | (values == other))
            assert 10 < np.sum(values == own[site]) < 40
        if len(dealt) == 2:
            assert np.array_equal(np.sort([*dealt.values()], axis=0), np.sort([*own.values()], axis=0))
    again = dealt_anew(resolved.claim, resolved.sweep, effects)
    assert all(np.array_equal(values, again[place]) for place, values in drawn.items())
    assert len({values.tobytes() for values in drawn.values()}) == len(drawn)


def test_what_was_measured_in_a_repetition_and_in_a_draw_marks_it(desk: Desk) -> None:
    control = {"kind": "shuffled_answers", "draws": 20, "ratio": 1.01}
    resolved = resolve(desk, trained() | {"control": control})
    numbers = {key: number for number, key in enumerate(sorted(resolved.runs))}

    def marks(**changed: float) -> tuple[dict[int, str], dict[int, str]]:
        """Of evidence in which draw 3 of the control repeats draw 2, but for a quantity."""
        one = {(run.cell.family, run.cell.site): key for key, run in resolved.runs.items() if drawn(run) == 2}
        values: dict[str, dict[str, Any]] = {}
        for key, run in resolved.runs.items():
            level = numbers[one[run.cell.family, run.cell.site] if drawn(run) == 3 else key]
            own = {"kl_from_base": 1.0, "kl": 1.0, "exact_match": 1.0, "answer_loss": float(level), "duration": 1.0}
            own |= changed if drawn(run) == 3 else {}
            count = next(len(block.examples) for block in resolved.blocks if block.family == run.cell.family)
            values[key] = {name: np.full(count, value) for name, value in own.items()}
        found = gather(resolved, values, {}, Standing(1, True))
        return dict(found.marks), dict(found.draw_marks)

    def drawn(run: Run) -> int | None:
        return run.cell.seed if run.cell.intervention == "train|shuffled_answers" else None

    repetitions, draws = marks()
    assert len(set(repetitions.values())) == len(repetitions) == 5
    assert sorted(draws) == list(range(20))
    assert len(set(draws.values())) == 19
    assert draws[2] == draws[3]
    assert marks(duration=2.0) == (repetitions, draws)
    assert len(set(marks(answer_loss=-1.0)[1].values())) == 20


def test_a_bound_on_one_condition_is_held_against_all_conditions_dealt_anew(desk: Desk) -> None:
    resolved = resolve(desk, trained() | {"expect": {"form": "threshold", "component": "aimed", "at_most": 1.0}})
    effects = {(at.site, at.arm) for at in resolved.series if at.role == "effect"}
    assert effects == {("aimed", "main"), ("everywhere", "control")}
    both = resolve(desk, trained())
    assert {(at.site, at.arm) for at in both.series if at.role == "effect"} == {
        ("aimed", "main"),
        ("everywhere", "main"),
    }
    values = {
        key: {name: np.full(500, 2.0 if run.cell.site == "everywhere" else 1.0) for name in ("kl", "kl_from_base")}
        for key, run in resolved.runs.items()
    }
    for block in resolved.blocks:
        for key, run in resolved.runs.items():
            if run.cell.family == block.family:
                values[key] = {name: each[: len(block.examples)] for name, each in values[key].items()}
    found = gather(resolved, values, {}, Standing(1, True))
    drawn = [numbers for (_, site, _), numbers in found.control.items() if site == "aimed"]
    assert len(drawn) == 20
    assert all(set(numbers) == {1.0, 2.0} for numbers in drawn)


def test_a_metric_of_one_recipe_refuses_a_sweep(desk: Desk) -> None:
    sweep = {"training": "lora", "data": DATA, "targets": AIM, "sweep": {"r2": {"rank": 2}, "r4": {"rank": 4}}}
    metric = {"evaluator": "adapter", "quantity": "kl", "recipe": sweep, "sites": {"granularity": "layer"}}
    desk.write("small/one", claim(metric=metric, counterfactual={"intervention": "remove_adapter"}, robustness=[]))
    with pytest.raises(Exception, match="recipe is one, not the sweep of r2, r4"):
        load(desk.workspace)
