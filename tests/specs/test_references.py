"""specs: names of recipes, judges and other specs inside claims: checked, and written out before anything is hashed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.library import Library, load_workspace
from mi_atlas.specs.metrics.training import TrainingMetric
from mi_atlas.specs.recipe import Recipe
from mi_atlas.specs.references import Reference, inlined, references

CLAIM = """\
claim: mine
statement: Rank 4 is as good.
model: pocket-qwen
suite: main-12
metric: {{evaluator: training, quantity: exact_match, recipes: {{ranks: {recipe}, none: base}}}}
counterfactual: {{intervention: train}}
control: {{kind: shuffled_answers}}
expect: {{form: non_inferiority, test: {{component: r2}}, reference: {{component: {other}}}, difference: 0.05}}
threshold: {{high: 0.995}}
"""
RANKS = """\
recipe: ranks
training: lora
data: {families: [copying]}
targets: {strategy: named}
sweep: {r2: {rank: 2}, r4: {rank: 4}}
notes: Two ranks.
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one recipe of its own."""
    for path, text in {
        "library/recipes/ranks.yaml": RANKS,
        "claims/mine.yaml": CLAIM.format(recipe="ranks", other="r4"),
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def load(workspace: Path) -> tuple[MeasuredClaim | None, list[str]]:
    claims, faults = load_workspace(workspace / "claims", Library([workspace / "library"]))
    claim = claims["mine"].claim if "mine" in claims else None
    assert claim is None or isinstance(claim, MeasuredClaim)
    return claim, [str(fault).partition("/claims/")[2] for fault in faults]


def hashed(workspace: Path) -> str:
    claim, faults = load(workspace)
    assert claim
    assert not faults
    library = Library()
    return claim.estimand_hash(library.model("pocket-qwen"), library.suite("main-12"))


def test_a_named_recipe_is_written_out_and_its_sweep_makes_conditions(workspace: Path) -> None:
    claim, faults = load(workspace)
    assert claim
    assert not faults
    assert isinstance(claim.metric, TrainingMetric)
    assert claim.metric.conditions == ("r2", "r4", "none")
    assert list(references(claim.metric)) == []
    ranks = claim.metric.recipes["ranks"]
    assert isinstance(ranks, Recipe)
    assert (ranks.recipe, ranks.notes, ranks.condition("r4").rank) == (None, None, 4)


def test_what_a_recipe_says_is_hashed_and_what_it_is_called_is_not(workspace: Path) -> None:
    before = hashed(workspace)
    other = workspace / "library/recipes/others.yaml"
    other.write_text(RANKS.replace("recipe: ranks", "recipe: others").replace("Two ranks", "Renamed"))
    (workspace / "claims/mine.yaml").write_text(CLAIM.format(recipe="others", other="r4"))
    assert hashed(workspace) == before
    other.write_text(RANKS.replace("recipe: ranks", "recipe: others").replace("rank: 4", "rank: 8"))
    assert hashed(workspace) != before


def test_an_unknown_recipe_is_a_located_fault(workspace: Path) -> None:
    (workspace / "claims/mine.yaml").write_text(CLAIM.format(recipe="rnks", other="r4"))
    _, (fault,) = load(workspace)
    assert fault.startswith("mine.yaml:5:71: metric.recipes.ranks: there is no recipe of that name")
    assert fault.endswith("did you mean `ranks`?")


def test_a_condition_that_the_named_recipe_lacks_is_a_located_fault(workspace: Path) -> None:
    (workspace / "claims/mine.yaml").write_text(CLAIM.format(recipe="ranks", other="r8"))
    claim, (fault,) = load(workspace)
    assert claim is None
    assert fault.startswith("mine.yaml:8:")
    assert "names `r8`, but metric training compares r2, r4, none" in fault


def test_a_recipe_that_names_what_is_not_there_is_a_fault_of_its_file(workspace: Path) -> None:
    (workspace / "library/recipes/ranks.yaml").write_text("recipe: ranks\ntraining: stack\nof: [base, bse]\n")
    faults = Library([workspace / "library"]).faults()
    assert [fault.line for fault in faults] == [3]
    assert "there is no recipe of that name" in str(faults[0])


def test_a_kind_that_no_claim_names_is_read_by_validate_only(workspace: Path) -> None:
    (workspace / "library/judges").mkdir()
    (workspace / "library/judges/mine.yaml").write_text("judge: mine\n")
    library = Library([workspace / "library"])
    assert load_workspace(workspace / "claims", library)[1] == []
    assert {fault.path.name for fault in library.faults()} == {"mine.yaml"}


def test_references_are_found_in_lists_mappings_and_inside_each_other() -> None:
    stack = Recipe(training="stack", of=("a", Recipe(training="none", after="b")))
    assert list(references(stack)) == [
        Reference(("of", 0), "recipe", "a"),
        Reference(("of", 1, "after"), "recipe", "b"),
    ]
    whole = inlined(stack, lambda kind, name: Recipe(recipe=name, training="none", notes="gone"))
    assert list(references(whole)) == []
    assert whole.of[0] == Recipe(training="none")
    assert inlined(whole, lambda kind, name: pytest.fail("there is nothing to find")) is whole
