"""specs: metrics of trainings, knock-outs, generation and time: units, repetitions, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from mi_atlas.specs.metrics.generation import Generate, GenerationMetric, JudgedMetric
from mi_atlas.specs.metrics.knockout import KnockoutMetric
from mi_atlas.specs.metrics.throughput import ThroughputMetric
from mi_atlas.specs.metrics.training import TrainingMetric
from mi_atlas.specs.metrics.variants import VariantsMetric
from mi_atlas.specs.recipe import Recipe
from mi_atlas.specs.sites import Frame
from pydantic import ValidationError

LORA: dict[str, Any] = {"training": "lora", "data": {"families": ["copying"]}, "targets": {"strategy": "named"}}
TRAINING: dict[str, Any] = {"evaluator": "training", "quantity": "exact_match", "recipes": {"lora": LORA}}


def claim(metric: dict[str, Any], expect: dict[str, Any], **more: Any) -> MeasuredClaim:
    document = {
        "claim": "examples/mine",
        "statement": "It is so.",
        "model": "pocket-qwen",
        "suite": "main-12",
        "metric": metric,
        "counterfactual": {"intervention": "train"},
        "control": {"kind": "shuffled_answers"},
        "expect": expect,
        "threshold": {"high": 0.995},
    }
    found = ClaimAdapter.validate_python(document | more)
    assert isinstance(found, MeasuredClaim)
    return found


def test_a_training_is_one_number_a_seed_and_five_are_the_least() -> None:
    metric = TrainingMetric.model_validate(TRAINING | {"seeds": 6})
    assert metric.repeated == ("training seeds", 6, 5)
    assert metric.sweep(Frame(6)) == ("lora",)


def test_a_metric_whose_recipes_are_only_named_has_no_sweep_yet() -> None:
    metric = TrainingMetric.model_validate(TRAINING | {"recipes": {"lora": "some-recipe"}})
    assert metric.conditions is None
    with pytest.raises(ValueError, match="not put in their place"):
        metric.sweep(Frame(6))


def test_settings_hold_what_decides_the_numbers_and_not_the_quantity() -> None:
    one, other = (TrainingMetric.model_validate(TRAINING | {"quantity": q}) for q in ("exact_match", "answer_loss"))
    assert one.settings() == other.settings()
    assert TrainingMetric.model_validate(TRAINING | {"seeds": 20}).settings() == one.settings()
    ranked = TrainingMetric.model_validate(TRAINING | {"recipes": {"lora": LORA | {"rank": 4}}})
    assert ranked.settings() == one.settings()
    assert ranked.trainings != one.trainings
    rewarded, merged = (TrainingMetric.model_validate(TRAINING | {"quantity": q}) for q in ("reward", "merge_gap"))
    assert rewarded.settings() == one.settings()
    assert merged.settings() == one.settings() | {"also": "merge_gap"}


def test_parameters_are_counted_exactly_and_other_sizes_are_refused() -> None:
    two = TRAINING | {"recipes": {"lora": LORA, "small": LORA | {"rank": 1}}}
    sides = {"test": {"component": "small"}, "reference": {"component": "lora"}, "at_most": 0.2, "difference": 0.05}
    assert claim(two, {"form": "efficiency", **sides}).expect.size == "parameters"
    with pytest.raises(ValidationError, match="counts parameters, bytes exactly"):
        claim(two, {"form": "efficiency", "size": "layers", **sides})


def test_rates_of_events_are_not_for_trainings() -> None:
    with pytest.raises(ValidationError, match="form proportion is not for training seeds"):
        claim(TRAINING, {"form": "proportion", "component": "lora", "at_least": 0.5})


def test_a_map_is_compared_with_a_condition_that_there_is() -> None:
    maps = TRAINING | {"quantity": "map_agreement", "map": {"granularity": "layer"}}
    assert TrainingMetric.model_validate(maps | {"reference": "lora"}).reference == "lora"
    with pytest.raises(ValidationError, match="reference is `full`, but the conditions are lora"):
        TrainingMetric.model_validate(maps | {"reference": "full"})
    with pytest.raises(ValidationError, match="needs both"):
        TrainingMetric.model_validate(maps)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"training": "stack", "of": ["a"]}, "two recipes or more"),
        ({"training": "stack", "of": ["a", "b"], "weights": [0.5, 0.3, 0.2]}, "one number for each"),
        ({"training": "full"}, "needs data"),
        (LORA | {"beta": 0.1}, "beta belongs to dpo and grpo"),
        (LORA | {"data": {"families": ["a"], "hub": "b/c"}}, "exactly one of families"),
        (LORA | {"data": {"canonical": "c"}}, "canonical and format go together"),
        (LORA | {"sweep": {"r2": {"sweep": {}}}}, "a sweep is of one level"),
        (LORA | {"targets": {"strategy": "atlas", "suite": "main-12"}}, "top"),
    ],
)
def test_recipes_that_make_no_training_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Recipe.model_validate(fields)


def test_a_sweep_changes_its_own_fields_only() -> None:
    recipe = Recipe.model_validate(LORA | {"recipe": "mine", "rank": 16, "sweep": {"low": {"learning_rate": 1e-5}}})
    low = recipe.condition("low")
    assert (low.rank, low.learning_rate, low.sweep, low.recipe) == (16, 1e-5, None, None)
    assert recipe.conditions("mine") == {"low": low}
    assert low.conditions("mine") == {"mine": low}


def test_without_recipes_the_models_own_answers_are_measured_once() -> None:
    metric = GenerationMetric(evaluator="generation", quantity="passed")
    assert (metric.conditions, metric.repeated) == (("as_is",), None)
    trained = GenerationMetric.model_validate(
        {
            "evaluator": "generation",
            "quantity": "passed",
            "models": {"other": "pocket-llama"},
            "recipes": {"lora": LORA},
        }
    )
    assert trained.conditions == ("other", "lora")
    assert trained.repeated == ("training seeds", 8, 5)


def test_pairs_are_judged_against_something() -> None:
    judged = {"evaluator": "judged", "judges": ["one"], "recipes": {"base": {"training": "none"}, "lora": LORA}}
    assert JudgedMetric.model_validate(judged | {"quantity": "won", "versus": "base"}).versus == "base"
    for wrong in ({"quantity": "won"}, {"quantity": "score", "versus": "base"}):
        with pytest.raises(ValidationError, match="versus belongs to won"):
            JudgedMetric.model_validate(judged | wrong)


def test_what_generation_draws_is_part_of_what_the_evaluator_is_told() -> None:
    assert Generate(intervention="generate").word == "generate(256)"
    assert Generate(intervention="generate", tokens=64, temperature=0.7, draws=4).word == "generate(64,0.7,4)"
    with pytest.raises(ValidationError, match="all the same"):
        Generate(intervention="generate", draws=4)


def test_times_come_of_twelve_sessions_and_two_conditions_differ() -> None:
    timed = {"evaluator": "throughput", "quantity": "decode_rate"}
    metric = ThroughputMetric.model_validate(timed | {"timed": {"short": {"prompt_tokens": 6}, "long": {}}})
    assert metric.repeated == ("sessions", 12, 12)
    assert metric.conditions == ("short", "long")
    with pytest.raises(ValidationError, match="time the same thing"):
        ThroughputMetric.model_validate(timed | {"timed": {"one": {}, "other": {}}})
    with pytest.raises(ValidationError, match=r"timed\.one\.new_tokens is 1"):
        ThroughputMetric.model_validate(timed | {"timed": {"one": {"new_tokens": 1}}})


def test_settings_of_times_hold_what_is_timed_and_not_how_often() -> None:
    timed = {"timed": {"own": {"batch": 2}, "other": {"model": "pocket-llama", "skip": [1]}}}
    one = ThroughputMetric.model_validate({"evaluator": "throughput", "quantity": "latency", **timed})
    other = one.model_copy(update={"sessions": 30, "quantity": "peak_memory"})
    assert one.settings() == other.settings() == timed
    assert one.variants_of == {"other": "pocket-llama"}
    assert set(one.WHOLE) == set(one.QUANTITIES)  # a session gives every example the same number


def test_a_knock_out_without_a_training_is_measured_once() -> None:
    metric = KnockoutMetric.model_validate(
        {"evaluator": "knockout", "quantity": "skill_drop", "sites": {"granularity": "residual"}, "skill": "copying"}
    )
    assert metric.repeated is None


def test_variants_are_intervened_on_in_the_way_that_the_quantity_needs() -> None:
    two = {"evaluator": "variants", "reference": "one", "variants": {"one": {"site": "L0"}, "other": {"site": "L1"}}}
    assert VariantsMetric.model_validate(two | {"quantity": "ablation_kl"}).interventions == (
        "zero",
        "mean",
        "resample",
    )
    with pytest.raises(ValidationError, match="positive and negative"):
        VariantsMetric.model_validate(two | {"quantity": "steering_kl"})
    with pytest.raises(ValidationError, match=r"variants\.one\.site"):
        VariantsMetric.model_validate(two | {"quantity": "exact_match"})
    ratio = {"form": "ratio", "numerator": {"component": "one"}, "denominator": {"component": "other"}, "at_least": 2}
    with pytest.raises(ValidationError, match="knows zero, mean, resample"):
        claim(
            two | {"quantity": "ablation_kl"},
            ratio,
            counterfactual={"intervention": "hold"},
            control={"kind": "untrained_model"},
        )
