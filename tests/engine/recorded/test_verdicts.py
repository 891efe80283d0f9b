"""tests: grades of recorded evidence: Medium at most, and Pending or Refuted for the right reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.recorded.limits import wilson
from scipy import stats

from .conftest import FAMILIES, MAP, Folder

Spread = Callable[..., list[list[float]]]
BLOCKED = [{"says": "the stream was zeroed", "blocks": True}]


def test_a_clear_lead_is_medium_as_recorded_and_says_what_is_lacking(folder: Folder, spread: Spread) -> None:
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict()
    assert (said.grade, said.code) == ("Medium", "as_recorded")
    assert said.qualifiers == ("post hoc", "as recorded")
    assert (said.n_raw, said.n_units) == (12, 12)
    assert "as recorded it holds in 12 of 12 families" in said.reason
    assert said.explanation[-1] == (
        "lacks for High: a control (matched_norm_noise, 0 of 20 draws), a positive control, a second intervention "
        "value (mean), values of each prompt, intervals and a registration before its data"
    )


def test_the_p_value_is_that_of_a_t_over_family_means(folder: Folder, spread: Spread) -> None:
    """The oracle is scipy's one-sample t on the differences to the strongest rival."""
    rows = np.array(spread(5.0, 5.2, 3.0))
    folder.matrix(rows.tolist())
    said = folder.verdict()
    expected = stats.ttest_1samp(rows[1] - rows[0], 0.0, alternative="greater").pvalue
    assert said.p_value == pytest.approx(expected, rel=0.2)
    assert said.estimate == pytest.approx(float((rows[1] - rows[0]).mean()))


def test_nothing_recorded_is_ever_high(folder: Folder, spread: Spread) -> None:
    """Not even with 20 control draws that fail, every intervention value, and hardly any scatter."""
    table = {**MAP["numbers"][0], "values": "{method}/{layer}/{column}", "intervention": "{method}"}
    table["only"] = {"method": ["zero", "mean"]}
    draws = {
        **table,
        "values": "draws/{draw}/{layer}/{column}",
        "intervention": "zero",
        "control": "matched_norm_noise",
    }
    folder.map(numbers=[table, {**draws, "only": {}}])
    effects = {"zero": spread(5.0, 90.0, 3.0, scatter=0.3), "mean": spread(5.0, 80.0, 3.0, scatter=0.4)}
    drawn = [spread(1.0, 1.0 + k / 20, 1.0, scatter=0.01 * (k + 1)) for k in range(20)]
    folder.put("matrix_seed1.json", {"families": FAMILIES, **effects, "draws": drawn})
    said = folder.verdict()
    lacking = said.explanation[-1]
    assert said.grade == "Medium"
    assert {check.name for check in said.conditions if check.met} >= {"effect", "control", "robustness mean"}
    assert "a control" not in lacking
    assert "second intervention value" not in lacking
    assert "a positive control" in lacking


def test_a_layer_that_tops_eight_of_twelve_families_is_not_all(folder: Folder, spread: Spread) -> None:
    rows = spread(5.0, 9.0, 3.0)
    for column in (1, 4, 6, 10):
        rows[0][column] = 20.0
    folder.matrix(rows)
    said = folder.verdict()
    assert said.grade != "Refuted"
    assert (
        "holds in 8 of 12 families (not in factual_recall, delimiter_tracking, code_semantics, verbosity)"
        in said.reason
    )
    worded = folder.verdict(published={"grade": "High", "source": "page", "every": "family"})
    assert (worded.grade, worded.code) == ("Refuted", "refuted_as_worded")
    assert worded.qualifiers == ("as worded", "post hoc", "as recorded")
    assert "of every family, and it holds in 8 of 12 families" in worded.reason


def test_a_wording_that_nothing_contradicts_is_graded_as_usual(folder: Folder, spread: Spread) -> None:
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict(published={"grade": "High", "source": "page", "every": "family"})
    assert (said.grade, said.qualifiers) == ("Medium", ("post hoc", "as recorded"))


def test_a_tie_of_all_components_is_no_hub(folder: Folder) -> None:
    folder.matrix([[3.2399, 1.7376, 6.325, 1.228, 2.0, 2.5] * 2] * 24)
    said = folder.verdict()
    assert (said.grade, said.code) == ("Pending", "exact_tie")
    assert "24 of 24 components tie exactly" in said.reason


def test_duplicated_seeds_are_counted_once(folder: Folder, spread: Spread) -> None:
    rows = spread(5.0, 5.3, 3.0)
    folder.matrix(rows, seed=1)
    once = folder.verdict()
    for seed in (2, 3):
        folder.matrix(rows, seed=seed)
    thrice = folder.verdict()
    assert (once.p_value, once.n_units) == (thrice.p_value, thrice.n_units)
    assert "2 of 3 replicates are copies and do not count" in thrice.reason
    assert "copies" not in once.reason


def test_a_known_defect_leaves_nothing_but_a_contradicted_wording(folder: Folder, spread: Spread) -> None:
    rows = spread(5.0, 9.0, 3.0)
    rows[0][0] = 9.5
    folder.map(defects=BLOCKED)
    folder.matrix(rows)
    said = folder.verdict()
    assert (said.grade, said.code) == ("Pending", "defective_record")
    assert said.reason.startswith("no evidence: the stream was zeroed; else: L1 exceeds")
    worded = folder.verdict(published={"grade": "High", "source": "page", "every": "family"})
    assert (worded.grade, worded.code) == ("Refuted", "refuted_as_worded")


def test_a_defect_that_does_not_block_is_told(folder: Folder, spread: Spread) -> None:
    folder.map(defects=[{"says": "prompts are clones"}])
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict()
    assert said.grade == "Medium"
    assert "defect: prompts are clones" in said.explanation


@pytest.mark.parametrize(
    ("expect", "grade", "code"),
    [
        ({"at_least": 7.0}, "Medium", "as_recorded"),
        ({"at_least": 9.0}, "Pending", "inconclusive"),
        ({"at_least": 20.0}, "Pending", "means_do_not_refute"),
        ({"at_most": 20.0}, "Medium", "as_recorded"),
        ({"at_most": 1.0}, "Pending", "means_do_not_refute"),
    ],
)
def test_a_threshold_on_mean_kl(
    folder: Folder, spread: Spread, expect: dict[str, float], grade: str, code: str
) -> None:
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict(expect={"form": "threshold", "component": "L1", **expect})
    assert (said.grade, said.code) == (grade, code)


@pytest.mark.parametrize(
    ("n", "at_least", "grade"), [(30, 40.0, "Refuted"), (30, 20.0, "Pending"), (29, 40.0, "Pending")]
)
def test_a_mean_kl_refutes_with_thirty_prompts_a_family_and_beyond_a_third(
    folder: Folder, spread: Spread, n: int, at_least: float, grade: str
) -> None:
    folder.map(table={"n": n})
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict(expect={"form": "threshold", "component": "L1", "at_least": at_least})
    assert said.grade == grade


def test_a_signed_quantity_refutes_in_the_suite_only(folder: Folder, spread: Spread) -> None:
    folder.map(table={"quantity": "target_logprob_drop", "positions": None})
    folder.matrix(spread(5.0, 9.0, 3.0))
    metric = {"evaluator": "ablation", "quantity": "target_logprob_drop", "sites": {"granularity": "layer"}}
    expect = {"form": "threshold", "component": "L1", "at_least": 20.0}
    assert folder.verdict(metric=metric, expect=expect).grade == "Refuted"
    beyond = folder.verdict(metric=metric, expect={**expect, "scope": "beyond_suite"})
    assert (beyond.grade, beyond.code, beyond.scope) == ("Pending", "means_do_not_refute", "beyond_suite")


def test_a_number_at_exactly_the_bound_decides_nothing(folder: Folder) -> None:
    folder.matrix([[2.0] * 12, [2.0, 2.5] * 6])
    said = folder.verdict(expect={"form": "threshold", "component": "L1", "at_least": 2.25})
    assert (said.grade, said.code) == ("Pending", "inconclusive")
    assert "needs 2.25 nats" in said.reason
    held = folder.verdict(
        expect={"form": "threshold", "component": "L1", "at_least": 2.0},
        published={"grade": "High", "source": "page", "every": "family"},
    )
    assert held.grade == "Medium", "at least 2 is so where it is exactly 2"


def test_a_ratio_of_means_is_tested_without_logs(folder: Folder, spread: Spread) -> None:
    folder.matrix(spread(5.0, 15.0, 3.0))
    expect = {"form": "ratio", "numerator": {"component": "L1"}, "denominator": {"component": "L0"}}
    said = folder.verdict(expect={**expect, "at_least": 2})
    assert said.grade == "Medium"
    assert said.estimate == pytest.approx(3.0, rel=0.02)
    assert folder.verdict(expect={**expect, "at_least": 3.5}).code == "means_do_not_refute"


def test_what_needs_logs_is_not_decided(folder: Folder, spread: Spread) -> None:
    folder.matrix(spread(5.0, 5.0, 3.0))
    expect = {"form": "equality", "test": {"component": "L1"}, "reference": {"component": "L0"}, "factor": 1.5}
    said = folder.verdict(expect=expect)
    assert (said.grade, said.code) == ("Pending", "means_only")


def test_units_are_never_mixed(folder: Folder, spread: Spread) -> None:
    folder.map(table={"positions": "sum"})
    folder.matrix(spread(5.0, 9.0, 3.0))
    bound = folder.verdict(expect={"form": "threshold", "component": "L1", "at_least": 1.0})
    assert (bound.grade, bound.code) == ("Pending", "other_unit")
    assert bound.reason.startswith("the record is in nats, sum over positions, the claim in nats")
    order = folder.verdict()
    assert order.grade == "Medium"
    assert "the record is in nats, sum over positions, the claim in nats" in order.reason


def test_two_tables_are_never_put_together(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.map(name="other", files=["**/other_seed{seed}.json"])
    folder.matrix(spread(5.0, 9.0, 3.0))
    folder.put("other_seed1.json", {"families": FAMILIES[:11], "m": [[99.0] * 11, [1.0] * 11, [1.0] * 11]})
    said = folder.verdict()
    assert said.estimate == pytest.approx(4.0, abs=0.05)
    assert "also recorded, and not put together with it: other#0" in said.explanation


def test_other_families_models_and_recipes_say_nothing(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    for fields in (
        {"suite": {"families": ["verb_agreement"], "templates": 1, "items": 1}},
        {"model": {"source": {"hub": "org/other"}}},
        {
            "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "mlp"}},
            "expect": {"form": "top_component", "component": "L1.mlp"},
        },
    ):
        folder.claim(**fields)
        result = folder.audit()
        assert (list(result.verdicts), result.silent) == ([], ["a/claim"])


def test_another_setting_of_the_metric_says_nothing(folder: Folder, spread: Spread) -> None:
    table = {"evaluator": "representation", "quantity": "cka", "unit": "", "positions": None, "intervention": "observe"}
    folder.map(table={**table, "component": "L{layer}.residual", "settings": {"against": "L0.residual"}})
    folder.matrix(spread(0.5, 0.9, 0.3, scatter=0.01))
    fields = {
        "counterfactual": {"intervention": "observe"},
        "robustness": None,
        "control": {"kind": "shuffled_examples"},
        "expect": {"form": "threshold", "component": "L1.residual", "at_least": 0.8},
    }
    metric = {"evaluator": "representation", "quantity": "cka", "sites": {"granularity": "residual"}}
    assert folder.verdict(metric={**metric, "against": "L0.residual"}, **fields).grade == "Medium"
    folder.claim(metric={**metric, "against": "L2.residual"}, **fields)
    assert folder.audit().silent == ["a/claim"]


def test_another_quantity_is_told_and_decides_nothing(folder: Folder, spread: Spread) -> None:
    folder.map(table={"quantity": "target_logprob_drop", "positions": None})
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict(published={"grade": "High", "source": "page", "every": "family"})
    assert (said.grade, said.code) == ("Pending", "other_quantity")
    assert said.reason.startswith("recorded is target_logprob_drop, not kl")


def test_claims_on_what_the_clean_model_answers_are_of_other_examples(folder: Folder, spread: Spread) -> None:
    folder.matrix(spread(5.0, 9.0, 3.0))
    metric = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}, "only": "clean_correct"}
    said = folder.verdict(metric=metric)
    assert (said.grade, said.code) == ("Pending", "other_examples")


def test_few_families_are_pending(folder: Folder) -> None:
    folder.matrix([[1.0] * 5, [9.0] * 5], families=FAMILIES[:5])
    said = folder.verdict()
    assert (said.grade, said.code) == ("Pending", "too_few_units")
    assert "needs n = 6 recorded families or prompts; has 5" in said.reason


def test_a_part_of_the_layers_is_no_sweep(folder: Folder, spread: Spread) -> None:
    folder.map(layers="n_layers")
    folder.matrix(spread(5.0, 9.0, 3.0), n_layers=24)
    said = folder.verdict()
    assert (said.grade, said.code) == ("Pending", "partial_sweep")
    assert said.reason.startswith("only 3 of 24 layers were swept; else: L1 exceeds")


def test_a_ratio_with_a_clipped_denominator_is_no_ratio(folder: Folder) -> None:
    folder.map(
        table={
            "values": "m/{family}/{layer}/ratio",
            "fields": {},
            "evaluator": "knockout",
            "quantity": "selectivity",
            "unit": "",
            "positions": None,
            "intervention": "anti(2)",
            "component": "L{layer}.residual",
            "denominator": {"at": "m/{family}/{layer}/below", "floor": 0.001},
        }
    )
    folder.put("matrix_seed1.json", {"m": {family: [{"ratio": 11654.0, "below": 1e-6}] for family in FAMILIES}})
    said = folder.verdict(
        metric={
            "evaluator": "knockout",
            "quantity": "selectivity",
            "skill": "copying",
            "sites": {"granularity": "residual"},
        },
        counterfactual={"intervention": "anti", "strength": 2},
        robustness=None,
        control={"kind": "random_direction"},
        expect={"form": "threshold", "component": "L0.residual", "at_least": 10.0},
    )
    assert (said.grade, said.code) == ("Pending", "no_ratio")
    assert "its denominator is below 0.001" in said.reason


TRAINED: dict[str, Any] = {
    "metric": {"evaluator": "training", "quantity": "exact_match", "recipes": {"sweep": "lora-json"}},
    "suite": {"families": ["json_schema"], "templates": 30, "items": 30},
    "counterfactual": {"intervention": "train"},
    "robustness": None,
    "control": {"kind": "random_matched_layers"},
}
EFFICIENT = {
    "form": "efficiency",
    "test": {"component": "atlas_guided"},
    "reference": {"component": "all_linear"},
    "difference": 0.05,
}


def trained(folder: Folder, recipe: str = "lora-json") -> None:
    """A map and a file of three trainings, each of two test items."""
    table = {**MAP["numbers"][0], "positions": None, "unit": "", "evaluator": "training", "intervention": "train"}
    items = {**table, "values": "{way}/items/{prompt}", "fields": {}, "quantity": "exact_match", "component": "{way}"}
    sizes = {**table, "values": "{way}/size", "fields": {}, "quantity": "parameters", "component": "{way}"}
    folder.map(numbers=[{**each, "recipe": recipe} for each in (items, sizes)])
    sizes_of = {"atlas_guided": 319_488, "random_matched": 319_488, "all_linear": 4_399_104}
    folder.put("matrix_seed1.json", {way: {"items": [1.0, 1.0], "size": size} for way, size in sizes_of.items()})


def test_two_items_are_not_a_hundred_percent(folder: Folder) -> None:
    trained(folder)
    said = folder.verdict(**TRAINED, expect={**EFFICIENT, "at_most": 0.1})
    assert (said.grade, said.code) == ("Pending", "too_few_repetitions")
    assert "needs n = 8 training seeds; the record has 1, of 2 items" in said.reason
    assert "atlas_guided 2 of 2 (95% from 34% to 100%)" in said.reason
    assert "0.07263x the parameters of all_linear (319,488 of 4,399,104" in said.reason


def test_sizes_are_counted_and_refute(folder: Folder) -> None:
    trained(folder)
    said = folder.verdict(**TRAINED, expect={**EFFICIENT, "at_most": 0.05})
    assert (said.grade, said.code) == ("Refuted", "refuted_by_count")
    at_the_bound = folder.verdict(**TRAINED, expect={**EFFICIENT, "at_most": 319_488 / 4_399_104})
    assert at_the_bound.code == "too_few_repetitions"


def test_another_recipe_says_nothing(folder: Folder) -> None:
    trained(folder, recipe="lora-code")
    folder.claim(**TRAINED, expect={**EFFICIENT, "at_most": 0.1})
    assert folder.audit().silent == ["a/claim"]


def test_eight_trainings_are_graded_with_the_training_as_unit(folder: Folder) -> None:
    """Seeds that differ give Medium; the same numbers under eight names are one training."""
    table = {**MAP["numbers"][0], "positions": None, "evaluator": "training", "intervention": "train"}
    items = {**table, "values": "{way}/{prompt}", "fields": {}, "quantity": "answer_loss", "component": "{way}"}
    folder.map(numbers=[items])
    rng = np.random.default_rng(0)
    expect = {
        "form": "non_inferiority",
        "test": {"component": "atlas_guided"},
        "reference": {"component": "all_linear"},
    }
    expect |= {"factor": 1.5, "larger": "worse"}
    trainings = {**TRAINED, "metric": {**TRAINED["metric"], "quantity": "answer_loss_drop"}}
    items |= {"quantity": "answer_loss_drop"}
    folder.map(numbers=[items])
    expect = {**expect, "difference": 0.5, "larger": "better"}
    del expect["factor"]
    for seed in range(1, 9):
        content = {way: (1 + rng.normal(0, 0.1, 20)).tolist() for way in ("atlas_guided", "all_linear")}
        folder.put(f"matrix_seed{seed}.json", content)
    said = folder.verdict(**trainings, expect=expect)
    assert (said.grade, said.code) == ("Medium", "as_recorded")
    for seed in range(1, 9):
        folder.put(f"matrix_seed{seed}.json", content)
    copied = folder.verdict(**trainings, expect=expect)
    assert copied.code == "too_few_repetitions"
    assert "the record has 1" in copied.reason


def test_identical_conditions_are_a_noise_floor(folder: Folder, spread: Spread) -> None:
    folder.map(table={"same": [["L0", "L2"]]})
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict()
    assert said.grade == "Medium"
    assert "L0 and L2 are the same and differ by 2 nats" in said.reason
    folder.matrix(spread(5.0, 6.5, 3.0))
    within = folder.verdict()
    assert (within.grade, within.code) == ("Pending", "within_noise")
    assert "a difference of 1.5 nats is noise" in within.reason


@pytest.mark.parametrize(("lost", "grade", "code"), [(1, "Medium", "as_recorded"), (2, "Pending", "incomplete")])
def test_missing_numbers_are_counted_and_more_than_one_in_twenty_decide_nothing(
    folder: Folder, spread: Spread, lost: int, grade: str, code: str
) -> None:
    """A claim is told of what is missing at what it compares, and of nothing else."""
    folder.map(table={"values": "m/{layer}/{prompt}", "fields": {"family": "families/{prompt}"}, "expected": 24})
    rows = [[*one, *other] for one, other in zip(spread(5.0, 9.0, 3.0), spread(5.0, 9.0, 3.0), strict=True)]
    rows = [[*row[: len(row) - gone], *[float("nan")] * gone] for row, gone in zip(rows, (0, lost, 0), strict=True)]
    folder.put("matrix_seed1.json", {"families": [*FAMILIES, *FAMILIES], "m": rows})
    said = folder.verdict()
    assert (said.grade, said.code) == (grade, code)
    assert f"missing are {lost} of 24 at L1" in said.reason
    other = folder.verdict(expect={"form": "threshold", "component": "L0", "at_least": 1.0})
    assert (other.grade, "missing" in other.reason) == ("Medium", False)


def test_a_migration_of_recorded_children(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    one, two = ({"model": name, "source": {"hub": f"org/{name}"}} for name in ("model", "other"))
    folder.claim("a/one", model=one)
    folder.claim("a/two", model=two)
    text = "claim: a/both\nstatement: It moves.\nexpect: {form: migration, claims: [a/one, a/two]}\n"
    (folder.root / "claims/a/both.yaml").write_text(text)
    assert folder.audit().silent == ["a/both", "a/two"]
    folder.map(name="other", files=["**/other_seed{seed}.json"], model="org/other")
    folder.put("other_seed1.json", {"families": FAMILIES, "m": spread(9.0, 5.0, 3.0)})
    folder.claim("a/two", model=two, expect={"form": "top_component", "component": "L0"})
    said = folder.audit().verdicts["a/both"]
    assert said.grade == "Medium"
    assert said.qualifiers[-2:] == ("post hoc", "as recorded")


def test_wilson_limits_are_those_of_the_formula() -> None:
    """Wilson 1927: 2 of 2 has a lower 95 % limit of 2 / (2 + 1.96^2) = .342."""
    assert wilson(2, 2) == pytest.approx((2 / (2 + 1.96**2), 1.0))
    assert wilson(0, 2)[1] == pytest.approx(1.96**2 / (2 + 1.96**2))
    assert wilson(5, 10)[0] == pytest.approx(stats.binomtest(5, 10).proportion_ci(method="wilson").low, abs=1e-4)
