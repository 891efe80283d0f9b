"""tests: real result files of another project, where they are at hand: what they contain is graded as what it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import mi_atlas
import pytest

from .conftest import Folder

SAMPLES = Path(mi_atlas.__file__).parent.parent / "shared" / "evidence"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded files of another project are not here")
EVERY = {"grade": "High", "source": "a page", "every": "family"}


def model(hub: str) -> dict[str, Any]:
    return {"source": {"hub": hub}}


@pytest.fixture
def samples(folder: Folder) -> Folder:
    folder.files = SAMPLES
    (folder.root / "specs").mkdir()
    return folder


def test_all_files_are_read_in_seconds_and_numbers_are_traced(samples: Folder) -> None:
    began = time.process_time()
    record = samples.record()
    assert time.process_time() - began < 10
    assert len(record.rows) > 15_000
    assert all(row.pointer.startswith("/") and len(row.digest) == 64 for row in record.rows)
    copies = [finding.message for finding in record.findings if finding.code == "copies"]
    assert any("3 replicates hold 1 measurement" in message and "Qwen2.5-0.5B" in message for message in copies)
    assert any("3 replicates hold 1 measurement" in message and "Qwen2.5-1.5B" in message for message in copies)


@pytest.mark.parametrize(
    ("hub", "component", "count"), [("Qwen/Qwen2.5-0.5B", "L2", 10), ("Qwen/Qwen2.5-1.5B", "L14", 8)]
)
def test_hubs_of_zeroed_layers(samples: Folder, hub: str, component: str, count: int) -> None:
    expect = {"form": "top_component", "component": component}
    said = samples.verdict(model=model(hub), expect=expect)
    assert said.grade == "Pending"
    assert "the decoder layer's whole output was zeroed" in said.reason
    assert f"it holds in {count} of 12 families" in said.reason
    assert "2 of 3 replicates are copies and do not count" in said.reason
    worded = samples.verdict(model=model(hub), expect=expect, published=EVERY)
    assert (worded.grade, worded.code) == ("Refuted", "refuted_as_worded")


def test_a_tie_of_24_layers_is_no_hub(samples: Folder) -> None:
    said = samples.verdict(
        model=model("HuggingFaceTB/SmolLM2-1.7B"), expect={"form": "top_component", "component": "L0"}
    )
    assert (said.grade, said.code) == ("Pending", "exact_tie")
    assert "24 of 24 components tie exactly" in said.reason


def test_valid_interventions_reach_medium(samples: Folder) -> None:
    mlp = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "mlp"}}
    said = samples.verdict(
        model=model("Qwen/Qwen2.5-0.5B"), metric=mlp, expect={"form": "top_component", "component": "L0.mlp"}
    )
    assert (said.grade, said.qualifiers) == ("Medium", ("post hoc", "as recorded"))
    assert "it holds in 11 of 12 families (not in copying)" in said.reason


def test_two_items_and_a_count_of_parameters(samples: Folder) -> None:
    from .test_verdicts import EFFICIENT, TRAINED

    said = samples.verdict(**TRAINED, model=model("Qwen/Qwen2.5-0.5B"), expect={**EFFICIENT, "at_most": 0.1})
    assert (said.grade, said.code) == ("Pending", "too_few_repetitions")
    assert "atlas_guided 2 of 2 (95% from 34% to 100%)" in said.reason
    assert "319,488 of 4,399,104" in said.reason


def test_a_clipped_selectivity_is_no_ratio(samples: Folder) -> None:
    said = samples.verdict(
        model=model("Qwen/Qwen2.5-0.5B"),
        metric={
            "evaluator": "knockout",
            "quantity": "selectivity",
            "skill": "factual_recall",
            "sites": {"granularity": "residual"},
        },
        counterfactual={"intervention": "anti", "strength": 2},
        robustness=None,
        control={"kind": "random_direction"},
        expect={"form": "threshold", "component": "L19.residual", "at_least": 100.0},
    )
    assert (said.grade, said.code) == ("Pending", "no_ratio")


def test_identical_formats_are_a_noise_floor(samples: Folder) -> None:
    said = samples.verdict(
        model=model("LiquidAI/LFM2.5-230M"),
        suite={"behaviour": "instructions"},
        metric={
            "evaluator": "judged",
            "quantity": "score",
            "judges": ["mimo-v2.5", "second-family"],
            "recipes": {"base": "base", "adapters": "lfm2-adapters"},
        },
        counterfactual={"intervention": "generate", "tokens": 256},
        robustness=None,
        control={"kind": "mismatched_outputs"},
        expect={"form": "top_component", "component": "single_turn_chat"},
    )
    assert said.grade == "Pending"
    assert "flat_instruction and single_turn_chat are the same and differ by 0.2" in said.reason
    assert "one judge, no gold labels" in said.reason
