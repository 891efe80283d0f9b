"""evaluators: what must hold for a model before any of its results counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..specs.sites import GRANULARITIES, Site, sites
from .anatomy import Anatomy, dissect
from .cells import NotEvaluated
from .interventions import Edit, capture, intervene
from .models.load import LoadedModel
from .tasks.example import Example

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-3}
"""Largest difference allowed, relative to the largest value, for identities that rounding disturbs."""


def prove(model: LoadedModel, examples: Sequence[Example]) -> None:
    """Run every proof on some prompts.

    Raises:
        NotEvaluated: code `proof_failed`, naming the first proof that fails.
    """
    anatomy = dissect(model.module)
    ids = [torch.tensor([example.clean_ids], device=model.device) for example in examples]
    with torch.inference_mode():
        for proof in (same_logits, no_op_is_exact, updates_add_up, past_is_untouched):
            for row in ids:
                if not proof(model, anatomy, row):
                    raise NotEvaluated(
                        "proof_failed", f"proof `{proof.__name__}` failed on {type(model.module).__name__}"
                    )


def same_logits(model: LoadedModel, anatomy: Anatomy, ids: Tensor) -> bool:
    """The decoder followed by the unembedding gives the model's own logits."""
    ours = anatomy.unembedding(anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state)
    return _close(ours, model.module(input_ids=ids, use_cache=False).logits)


def no_op_is_exact(model: LoadedModel, anatomy: Anatomy, ids: Tensor) -> bool:
    """Putting back an operator's or MLP's own update changes no bit of the result."""

    def keep(update: Tensor, before: Tensor) -> Tensor:
        return update

    edits: dict[Site, Edit] = dict.fromkeys(sites(("operator", "mlp"), len(anatomy.layers)), keep)
    clean = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
    with intervene(anatomy, edits):
        again = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
    return torch.equal(clean, again)


def updates_add_up(model: LoadedModel, anatomy: Anatomy, ids: Tensor) -> bool:
    """At every layer, the block's update is the operator's plus the MLP's: nothing else writes to the stream.

    Compared on the scale of the stream, since what a layer adds is known no better than its output is rounded.
    """
    with capture(anatomy, sites(GRANULARITIES, len(anatomy.layers))) as seen:
        streams = anatomy.decoder(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
    return all(
        _close(seen[Site(i, "operator")] + seen[Site(i, "mlp")], seen[Site(i, "layer")], streams[i])
        for i in range(len(anatomy.layers))
    )


def past_is_untouched(model: LoadedModel, anatomy: Anatomy, ids: Tensor) -> bool:
    """Changing the last token changes no earlier position: the decoder is causal, padding on the right is neutral."""
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % anatomy.vocabulary
    clean = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    return _close(clean, anatomy.decoder(input_ids=other, use_cache=False).last_hidden_state[:, :-1])


def _close(one: Tensor, other: Tensor, *scales: Tensor) -> bool:
    scale = torch.stack([tensor.abs().max() for tensor in (other, *scales)]).max().clamp_min(1e-6)
    return bool((one - other).abs().max() <= TOLERANCE.get(other.dtype, 1e-4) * scale)
