"""tests: two bugs that the field keeps making, made again: what they would report, and what stops them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from mi_atlas.engine.grade.degenerate import cascade
from mi_atlas.evaluators import ablation, interventions, proofs
from mi_atlas.evaluators.anatomy import Anatomy, Port
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.interventions import Edit
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Replay, rolling
from mi_atlas.specs.sites import GRANULARITIES, Site
from torch import Tensor, nn

from .conftest import block, wrap
from .replay.models import PACKED, micro

LAYERS = ("L0", "L1", "L2")
HEADS = tuple(f"L1.head{head}" for head in range(4))


def kl(module: nn.Module, labels: tuple[str, ...]) -> np.ndarray:
    """What an ablation to zero reports, [component, example]."""
    cells = [Cell("made", label, "zero") for label in labels]
    found = ablation.Ablation().measure(wrap(module), Materials([block()]), cells)
    values = {result.cell: result.values["kl"] for result in found}
    return np.array([values[cell] for cell in cells])


def failing(module: nn.Module, kinds: tuple = GRANULARITIES) -> set[str]:
    """The names of the proofs that fail."""
    return {proof.name for proof in proofs.proofs(wrap(module), block().examples, kinds) if not proof.holds}


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to measure without proofs from then on."""
    return lambda: monkeypatch.setattr(ablation, "prove", lambda *asked: None)


@pytest.fixture
def whole_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook on a layer's output edits all of it, the stream that came in included, instead of the update."""

    def edited(out: Tensor, before: Tensor, edit: Edit) -> Tensor:
        return edit(out, out)

    for room in (interventions, rolling):
        monkeypatch.setattr(room, "replaced", edited)


@pytest.mark.usefixtures("whole_stream")
@pytest.mark.parametrize("architecture", PACKED)
def test_a_hook_on_the_stream_fails_its_proof(architecture: str) -> None:
    assert "updates_add_up" in failing(micro(architecture))


@pytest.mark.usefixtures("whole_stream")
def test_a_hook_on_the_stream_gives_no_result() -> None:
    with pytest.raises(NotEvaluated, match="proof `updates_add_up` failed on LlamaForCausalLM"):
        kl(micro("Llama"), LAYERS)


@pytest.mark.usefixtures("whole_stream")
def test_a_hook_on_the_stream_is_a_cascade_by_its_numbers_too(unproven: Callable[[], None]) -> None:
    # Without biases nothing comes back into a zero stream: the logits are 0, KL = ln V - H(clean) at every layer.
    unproven()
    module = micro("Llama", attention_bias=False, mlp_bias=False)
    found = kl(module, LAYERS)
    ids = [torch.tensor([example.clean_ids]) for example in block().examples]
    chances = [module(input_ids=row).logits[0, -1].double().softmax(-1) for row in ids]
    expected = [math.log(50) + float((p * p.log()).sum()) for p in chances]
    assert found == pytest.approx(np.array([expected] * 3), abs=1e-5)
    fault = cascade(found)
    assert fault is not None
    assert fault.code == "degenerate_cascade"


def test_the_update_is_no_cascade() -> None:
    assert cascade(kl(micro("Llama", attention_bias=False, mlp_bias=False), LAYERS)) is None


@pytest.mark.usefixtures("whole_stream")
def test_biases_hide_a_cascade_from_the_numbers_and_not_from_the_proofs(unproven: Callable[[], None]) -> None:
    # The biases of queries, keys and values refill the stream, so that the layers seem to differ.
    module = micro("Qwen2")
    assert "updates_add_up" in failing(module)
    unproven()
    assert cascade(kl(module, LAYERS)) is None


def test_a_hook_on_the_stream_in_one_of_two_ways_is_found_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "replaced", lambda out, before, edit: edit(out, out))
    assert failing(micro("Lfm2")) == {"replay_is_as_hooks"}


def test_components_that_are_all_read_from_the_stream_are_a_cascade(
    monkeypatch: pytest.MonkeyPatch, unproven: Callable[[], None]
) -> None:
    """Operator and MLP hooked where the layer ends."""

    def at_the_end(anatomy: Anatomy, site: Site, port: Port) -> Port:
        return Port(anatomy.layers[site.layer]) if site.granularity in ("operator", "mlp") else port

    module = micro("Llama", attention_bias=False, mlp_bias=False)
    components = tuple(f"L{i}.{part}" for i in range(3) for part in ("operator", "mlp"))
    assert cascade(kl(module, components)) is None
    misplace(monkeypatch, at_the_end)
    assert {"updates_add_up", "replay_is_as_hooks"} <= failing(module)
    unproven()
    assert cascade(kl(module, components)) is not None


def misplace(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Anatomy, Site, Port], Port]) -> None:
    """Sites are where `wrong(anatomy, site, right port)` says, in one forward pass an intervention."""
    right = Anatomy.port
    monkeypatch.setattr(Anatomy, "port", lambda anatomy, site: wrong(anatomy, site, right(anatomy, site)))
    monkeypatch.setattr(ablation, "Replay", partial(Replay, packed=False))


def behind_the_projection(anatomy: Anatomy, site: Site, port: Port) -> Port:
    """A head is a head-sized slice of what the attention writes."""
    return replace(port, side="output") if site.granularity == "head" else port


@pytest.mark.parametrize("architecture", [*PACKED, "Phi", "Mixtral"])
def test_a_head_sliced_from_the_output_fails_its_proof(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    misplace(monkeypatch, behind_the_projection)
    assert "heads_are_separate" in failing(micro(architecture), (*GRANULARITIES, "head"))


def test_a_head_sliced_from_the_output_gives_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    misplace(monkeypatch, behind_the_projection)
    with pytest.raises(NotEvaluated, match="proof `heads_"):
        kl(micro("Qwen2"), HEADS)


def test_a_head_sliced_from_the_output_would_blame_a_head_that_is_silent(
    monkeypatch: pytest.MonkeyPatch, unproven: Callable[[], None]
) -> None:
    # Head 2 writes nothing, for its columns of the output projection are 0: without it nothing changes.
    module = micro("Llama", attention_bias=False)
    module.model.layers[1].self_attn.o_proj.weight[:, 8:12] = 0
    assert (kl(module, HEADS)[2] == 0).all()
    misplace(monkeypatch, behind_the_projection)
    unproven()
    assert (kl(module, HEADS)[2] > 1e-3).all()
