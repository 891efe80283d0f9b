"""tests: what is loaded is what was located: trained, adapted, random."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.models.load import LoadedModel, load, load_untrained
from mi_atlas.evaluators.models.locate import Absent, Located, locate, untrained
from mi_atlas.specs.model import Model
from torch import Tensor

IDS = torch.tensor([[5, 17, 33, 5, 17, 40]])


def spec(**fields: object) -> Model:
    return Model.model_validate({"model": "tiny", "source": {"path": "tiny"}, **fields})


def located(workspace: Path, **fields: object) -> Located:
    place = locate(spec(**fields), workspace)
    assert not isinstance(place, Absent), place
    return place


def logits(model: LoadedModel) -> Tensor:
    with torch.no_grad():
        result: Tensor = model.module(input_ids=IDS).logits
    return result


def test_a_loaded_model_is_frozen_and_ready(tiny: Path) -> None:
    model = load(located(tiny.parent))
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert model.dtype == torch.float32
    assert logits(model).isfinite().all()
    assert model.tokenizer.decode(model.tokenizer.encode("abc").ids) is not None
    assert len(model.tokenizer.encode("abc").ids) == 3


def test_the_same_logits_as_transformers_own_loader(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)  # in evaluation mode, as it says
    with torch.no_grad():
        assert torch.equal(logits(load(located(tiny.parent))), theirs(input_ids=IDS).logits)


def test_dtype_is_what_the_spec_says(tiny: Path) -> None:
    model = load(located(tiny.parent, dtype="bfloat16"))
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.bfloat16}


def test_loading_is_quiet_and_leaves_the_random_state(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    place = located(tiny.parent)
    load(place)
    load_untrained(place, 1)
    assert torch.equal(torch.rand(4), expected)
    assert capfd.readouterr() == ("", "")


def test_missing_weights_are_no_random_weights(tiny: Path) -> None:
    """transformers would start a tensor that the file lacks at random, with a warning."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(tiny / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, tiny / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NotEvaluated, match="up_proj") as fault:
        load(located(tiny.parent))
    assert fault.value.code == "weights_incomplete"


def test_an_architecture_that_transformers_lacks(tiny: Path) -> None:
    config = tiny / "config.json"
    config.write_text(config.read_text().replace("Qwen2ForCausalLM", "Qwen2000ForCausalLM"))
    with pytest.raises(NotEvaluated, match="Qwen2000ForCausalLM"):
        load(located(tiny.parent))


def test_an_adapter_changes_the_logits_and_the_identity(tiny: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load(located(tiny.parent))
    for name, seed in (("one", 1), ("two", 2)):
        torch.manual_seed(seed)
        lora = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
        get_peft_model(load(located(tiny.parent)).module, lora).save_pretrained(str(tiny.parent / name))
    places = [located(tiny.parent), located(tiny.parent, adapter="one"), located(tiny.parent, adapter="two")]
    assert len({place.parts["adapter"] for place in places}) == 3
    assert len({place.parts["weights"] for place in places}) == 1
    results = [logits(base), *(logits(load(place)) for place in places[1:])]
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], results[2])
    assert not any(parameter.requires_grad for parameter in load(places[1]).module.parameters())


def test_untrained_weights_differ_by_seed_and_come_back(tiny: Path) -> None:
    place = located(tiny.parent)
    first, again, second = load_untrained(place, 1), load_untrained(place, 1), load_untrained(place, 2)
    assert torch.equal(logits(first), logits(again))
    assert not torch.allclose(logits(first), logits(second))
    assert not torch.allclose(logits(first), logits(load(place)))
    assert first.located == untrained(place, 1)
    assert not first.module.training


def test_quantisation_without_its_library_says_so(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotEvaluated, match="pip install") as fault:
        load(located(tiny.parent, quantization="nf4"))
    assert fault.value.code == "no_bitsandbytes"


@pytest.mark.parametrize(("quantization", "bound"), [("nf4", 0.2), ("int8", 0.02)])
def test_quantised_weights_are_near_the_original(quantization: str, bound: float) -> None:
    """Relative error of the logits: 4 bits leave several per cent, 8 bits under two."""
    pytest.importorskip("bitsandbytes")
    source = {"pocket": "pocket-qwen"}
    exact, rounded = (logits(load(located(Path(), source=source, quantization=kind))) for kind in (None, quantization))
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).norm() / exact.norm() < bound
