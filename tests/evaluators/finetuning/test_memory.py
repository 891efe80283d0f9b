"""tests: bytes of a training, counted, against counts by hand."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning import run
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.memory import Meter, adapter_bytes, available_bytes, full_bytes
from mi_atlas.evaluators.finetuning.optimizers import make_optimizer, state_elements
from mi_atlas.evaluators.models.shapes import find_shape
from torch import nn

from .workbench import recipe, workshop

CPU = torch.device("cpu")


class Two(nn.Module):
    """y = W2 tanh(W1 x)."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(self.one(x).tanh())


def test_peak_is_weights_gradients_states_and_what_is_saved():
    module = Two()
    optimizer = make_optimizer(recipe(), module.parameters())
    meter = Meter(module, CPU)
    x = torch.randn(7, 3)
    with meter.forward():
        loss = module(x).sum()
    loss.backward()
    optimizer.step()
    weights = 3 * 5 + 5 * 2
    saved = 7 * 3 + 7 * 5  # x for W1; tanh's result, for itself and for W2
    steps = 2  # AdamW counts the steps of each parameter
    assert meter.peak(optimizer) == 4 * (4 * weights + saved + steps)


def test_frozen_weights_have_no_gradient():
    module = Two()
    module.one.requires_grad_(False)
    optimizer = make_optimizer(recipe(optimizer="lion"), [module.two.weight])
    meter = Meter(module, CPU)
    with meter.forward():
        loss = module(torch.randn(7, 3)).sum()
    loss.backward()
    optimizer.step()
    assert meter.peak(optimizer) == 4 * (25 + 10 + 10 + 7 * 5)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "lion", "schedule_free"])
def test_states_are_as_many_as_optimizers_keep(optimizer: str):
    parameters = [nn.Parameter(torch.randn(shape)) for shape in ((4, 6), (5,), (3, 2))]
    made = make_optimizer(recipe(optimizer=optimizer), parameters)
    if hasattr(made, "train"):
        made.train()
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    made.step()
    kept = [each for state in made.state.values() for each in state.values() if torch.is_tensor(each) and each.ndim]
    assert sum(each.numel() for each in kept) == state_elements(optimizer, [p.shape for p in parameters])


def test_full_fine_tuning_of_a_real_shape_is_counted_without_weights():
    shape = find_shape("qwen2.5-0.5b")
    module = shape.build(device="meta", dtype=torch.bfloat16)
    # weights, gradients and two moments in float32: 16 bytes of each of the 494,032,768 weights
    assert full_bytes(module, "adamw") == 16 * 494_032_768
    assert full_bytes(module, "lion") == 12 * 494_032_768
    # weights in bfloat16; of one adapter of rank 8 on a 896 -> 896 map four float32 numbers each
    assert adapter_bytes(module, [(8, 896), (896, 8)], "adamw") == 2 * 494_032_768 + 16 * 2 * 8 * 896


def test_what_does_not_fit_is_said_with_its_bytes(monkeypatch: pytest.MonkeyPatch):
    shop = workshop()
    elements = sum(p.numel() for p in shop.base().module.parameters())
    monkeypatch.setattr(run, "available_bytes", lambda device: 4 * 4 * elements - 1)
    with pytest.raises(NotEvaluated, match=f"take {16 * elements} bytes") as fault:
        shop.make(Job(recipe("full"), 1))
    assert fault.value.code == "out_of_memory"
    assert shop.bytes_needed(Job(recipe("full"), 1)) == 16 * elements
    assert shop.make(Job(recipe(), 1)).kind == "adapter"


def test_running_out_of_memory_is_said_too(monkeypatch: pytest.MonkeyPatch):
    def no_room(*args: object) -> None:
        raise torch.OutOfMemoryError("no room")

    shop = workshop()
    monkeypatch.setattr(run, "fit", no_room)
    with pytest.raises(NotEvaluated, match="activations come on top"):
        shop.make(Job(recipe(), 1))


def test_this_machine_has_memory():
    free = available_bytes(CPU)
    assert free is None or free > 2**20
