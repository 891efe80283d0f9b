"""tests: each proof holds on real architectures and fails on what it is there to find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators import interventions, proofs, proven
from mi_atlas.evaluators.anatomy import Anatomy, Port, dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.interventions import Edit, visiting
from mi_atlas.evaluators.proofs import PROOFS, Subject, prove
from mi_atlas.evaluators.proven import proof_key
from mi_atlas.evaluators.replay import Replay
from mi_atlas.specs.sites import GRANULARITIES, SITE_KINDS, Site
from torch import Tensor, nn

from .conftest import block, micro, wrap
from .replay.models import PACKED
from .replay.models import micro as another

ALL = (*GRANULARITIES, "head", "residual")


def failing(module: nn.Module, kinds: tuple = ALL) -> set[str]:
    """The names of the proofs that fail."""
    return {proof.name for proof in proofs.proofs(wrap(module), block().examples, kinds) if not proof.holds}


def test_every_proof_holds(architecture: str) -> None:
    prove(wrap(micro(architecture)), block().examples)


@pytest.mark.parametrize("architecture", PACKED)
def test_every_proof_holds_for_every_kind_of_site(architecture: str) -> None:
    found = list(proofs.proofs(wrap(another(architecture)), block().examples, SITE_KINDS))
    assert [proof.detail for proof in found if not proof.holds] == []
    assert [proof.name for proof in found] == [proof.__name__ for proof in PROOFS]


def test_a_failure_names_the_proof_the_model_and_the_reason() -> None:
    module = micro("qwen2")
    module.register_forward_hook(lambda m, args, out: setattr(out, "logits", out.logits * 2))
    with pytest.raises(NotEvaluated, match=r"`same_logits` failed on Qwen2ForCausalLM: they differ by 5.0e-01"):
        prove(wrap(module), block().examples)


def test_what_holds_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    right, seen = proofs.proofs, []
    monkeypatch.setattr(proofs, "proofs", lambda *asked: seen.append(asked[2]) or right(*asked))
    model, examples = wrap(another("Llama")), block().examples
    prove(model, examples, ALL)
    prove(model, examples, ("mlp", "head"))
    prove(replace(model), examples, ("layer",))
    assert seen == [ALL]
    prove(model, examples, ("q_proj", "mlp"))
    assert seen == [ALL, ("q_proj", "mlp")]


def test_what_fails_is_not_noted() -> None:
    model = wrap(micro("qwen2"))
    handle = model.module.register_forward_hook(lambda m, args, out: setattr(out, "logits", out.logits * 2))
    with pytest.raises(NotEvaluated):
        prove(model, block().examples)
    assert model.proven == set()
    handle.remove()
    prove(model, block().examples)
    assert len(model.proven) == len(GRANULARITIES)


def test_a_proof_is_of_one_model_format_device_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrap(micro("llama"))
    others = (
        model,
        replace(model, located=replace(model.located, parts={"weights": "w"})),
        replace(model, dtype=torch.bfloat16),
        replace(model, device=torch.device("cuda")),
    )
    keys = {proof_key(one, kind) for one in others for kind in ALL}
    assert len(keys) == len(others) * len(ALL)
    monkeypatch.setattr(proven, "CODE", ("cells.py",))
    proven._code_digest.cache_clear()
    assert proof_key(model, "mlp") not in keys
    proven._code_digest.cache_clear()


def test_a_layer_that_writes_more_than_its_parts_is_found() -> None:
    module = micro("llama")
    own = module.model.layers[1].forward
    module.model.layers[1].forward = lambda *args, **kwargs: own(*args, **kwargs) * 1.5
    assert "updates_add_up" in failing(module)
    assert "updates_add_up" in failing(another("Granite"))


@pytest.mark.parametrize(
    ("architecture", "proof"),
    [
        ("FalconH1", "updates_add_up"),  # a state-space mixer beside the attention
        ("Cohere", "same_logits"),  # logits scaled behind the unembedding
        ("BitNet", "heads_are_separate"),  # a norm over all heads before the output projection
    ],
)
def test_what_the_names_of_parts_do_not_show_is_found(architecture: str, proof: str) -> None:
    assert failing(another(architecture)) == {proof}


@pytest.mark.parametrize("architecture", ["Phi", "Mixtral"])
def test_proofs_hold_where_a_layer_has_fewer_sites(architecture: str) -> None:
    model = another(architecture)
    assert not failing(model, tuple(kind for kind in SITE_KINDS if dissect(model).sites((kind,))))


# Olmo 2 norms the queries of all heads together: where only they tell heads apart, its heads are not proven.
@pytest.mark.parametrize(
    ("architecture", "shared"),
    [(name, shared) for name in PACKED for shared in (1, 4) if (name, shared) != ("Olmo2", 1)],
)
def test_heads_are_proven_however_many_share_keys_and_values(architecture: str, shared: int) -> None:
    subject = Subject(wrap(another(architecture, num_key_value_heads=shared)), [[3, 1, 4, 1, 5]], ("head",))
    with torch.inference_mode():
        assert not proofs.heads_are_separate(subject)
        assert not proofs.heads_add_up(subject)


@pytest.mark.parametrize(("bits", "quantization"), [("load_in_4bit", "nf4"), ("load_in_8bit", "int8")])
def test_proofs_hold_of_quantised_weights(bits: str, quantization: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    another("Llama", hidden_size=64, intermediate_size=64).save_pretrained(tmp_path)
    config = BitsAndBytesConfig(**{bits: True})
    module = LlamaForCausalLM.from_pretrained(tmp_path, quantization_config=config, dtype=torch.float32).eval()
    bare = wrap(module.requires_grad_(False))
    spec = bare.located.spec.model_copy(update={"quantization": quantization})
    prove(replace(bare, located=replace(bare.located, spec=spec)), block().examples, ALL)


def test_a_large_stream_is_no_other_writer(architecture: str) -> None:
    # One channel of 10^4 leaves an update of 1 known to 10^-3 in float32: rounding, not another writer.
    module = micro(architecture)
    module.model.embed_tokens.weight[:, 0] = 1e4
    assert not proofs.updates_add_up(Subject(wrap(module), [[3, 1, 4, 1, 5]]))


def test_an_operator_that_sees_the_future_is_found() -> None:
    class Mixer(nn.Module):
        def forward(self, hidden_states: Tensor, **kwargs: object) -> tuple[Tensor, None]:
            return hidden_states.mean(1, keepdim=True).expand_as(hidden_states), None

    module = micro("llama")
    module.model.layers[0].self_attn = Mixer()
    assert {"past_is_untouched", "padding_is_neutral"} <= failing(module, GRANULARITIES)


def test_a_module_with_memory_is_found() -> None:
    module, calls = micro("llama"), iter(range(1000))
    own = module.model.layers[2].mlp.forward
    module.model.layers[2].mlp.forward = lambda x: own(x) + next(calls)
    assert {"no_op_is_exact", "self_patch_is_exact"} <= failing(module)


def test_a_hook_that_another_left_is_found() -> None:
    module = micro("llama")
    module.model.layers[1].mlp.register_forward_hook(lambda m, args, out: out * 0)
    assert failing(module) == {"hooks_fire_as_planned"}


@contextmanager
def broken_port(broken: Any) -> Iterator[None]:
    """Sites are where `broken(anatomy, site, right port)` says."""
    right = Anatomy.port
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Anatomy, "port", lambda anatomy, site: broken(anatomy, site, right(anatomy, site)))
        yield


def test_a_head_sliced_after_the_output_projection_is_found() -> None:
    def after(anatomy: Anatomy, site: Site, port: Port) -> Port:
        return replace(port, side="output") if site.granularity == "head" else port

    for architecture in ("Qwen2", "Lfm2"):
        with broken_port(after):
            assert "heads_are_separate" in failing(another(architecture))


def test_heads_of_the_wrong_width_are_found() -> None:
    def narrow(anatomy: Anatomy, site: Site, port: Port) -> Port:
        columns = port.columns
        return replace(port, columns=slice(columns.start, columns.stop - 1)) if site.granularity == "head" else port

    with broken_port(narrow):
        assert "heads_add_up" in failing(another("Qwen2"))


def test_a_stream_read_behind_the_norm_is_found() -> None:
    def behind(anatomy: Anatomy, site: Site, port: Port) -> Port:
        norms = anatomy.norms[site.layer] if site.layer < len(anatomy.layers) else None
        return Port(norms.before_operator) if norms and site.granularity == "residual" else port

    with broken_port(behind):
        assert "updates_add_up" in failing(another("Llama"))


def test_an_update_read_before_its_norm_is_found() -> None:
    def before(anatomy: Anatomy, site: Site, port: Port) -> Port:
        return Port(anatomy.module(site)) if site.granularity == "operator" else port

    with broken_port(before):
        assert "updates_add_up" in failing(another("Gemma2"))


def test_an_edit_that_leaks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cascade: an edit meant for one layer and position that acts at earlier ones as well."""
    right = interventions._editing

    @contextmanager
    def every_layer(anatomy: Anatomy, site: Site, edit: Edit) -> Iterator[None]:
        earlier = replace_layer(site, 0)
        with right(anatomy, site, edit), right(anatomy, earlier, lambda u, b: u + 0.1 * (edit(u, b) - u)):
            yield

    def replace_layer(site: Site, layer: int) -> Site:
        return site._replace(layer=layer)

    monkeypatch.setattr(interventions, "_editing", every_layer)
    assert "before_is_untouched" in failing(another("Llama"), GRANULARITIES)


def test_an_edit_at_all_positions_instead_of_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = interventions._editing

    @contextmanager
    def everywhere(anatomy: Anatomy, site: Site, edit: Edit) -> Iterator[None]:
        def flat(update: Tensor, before: Tensor) -> Tensor:
            new = edit(update, before)
            return update + (new - update).amax(1, keepdim=True)

        with right(anatomy, site, flat):
            yield

    monkeypatch.setattr(interventions, "_editing", everywhere)
    assert "before_is_untouched" in failing(another("Llama"), GRANULARITIES)


def test_hooks_that_stay_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = interventions.visiting

    @contextmanager
    def staying(port: Port, visit: Any) -> Iterator[None]:
        port.module.register_forward_hook(lambda *args: None)
        with right(port, visit):
            yield

    monkeypatch.setattr(interventions, "visiting", staying)
    assert "hooks_fire_as_planned" in failing(another("Llama"))


def test_a_hook_that_does_not_fire_is_found() -> None:
    def elsewhere(anatomy: Anatomy, site: Site, port: Port) -> Port:
        return Port(nn.Identity()) if site == Site(1, "mlp") else port

    with broken_port(elsewhere):
        assert "hooks_fire_as_planned" in failing(another("Llama"))


def test_an_engine_that_strays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Replay.run

    def straying(self: Replay, prompts: Any, several: Any, readout: Any = None) -> Any:
        measured = right(self, prompts, several, readout)
        slip = 0.01 * len(prompts) if self.fallback is None else 0.0
        return replace(measured, values={name: value + slip for name, value in measured.values.items()})

    monkeypatch.setattr(Replay, "run", straying)
    assert failing(another("Llama")) == {"batched_as_alone", "replay_is_as_hooks"}


def test_visiting_shows_without_changing() -> None:
    module = micro("llama")
    clean = module(torch.tensor([[1, 2, 3]])).logits
    seen: list[Tensor] = []
    with visiting(Port(module.model.layers[0].mlp), seen.append):
        again = module(torch.tensor([[1, 2, 3]])).logits
    assert torch.equal(clean, again)
    assert seen[0].shape == (1, 3, 16)
