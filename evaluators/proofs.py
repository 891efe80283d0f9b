"""evaluators: what must hold for a model before any of its results counts.

A proof is a function that returns what is wrong, or nothing. Which sites it looks at is the caller's: their kinds.
What holds is noted in the model's `proven`, so that it is shown once for a model, a kind of site, a number format, a
kind of device and a state of this code; what fails is tried again.
Identities that rounding cannot disturb, at one batch shape, are compared bit for bit; others within a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.sites import GRANULARITIES, Site, SiteKind
from .cells import NotEvaluated
from .interventions import Edit, constant, intervene, zero
from .models.load import LoadedModel
from .proven import proof_key
from .replay import Constant, Intervention, Replay, Zero
from .subject import Subject, few
from .tasks.example import Example

PROMPTS = 4
"""How many prompts are looked at."""


@dataclass(frozen=True)
class Proof:
    """The outcome of one proof."""

    name: str
    what: str
    """What it shows, in a sentence."""
    holds: bool
    detail: str
    """What is wrong; empty where nothing is."""


def same_logits(subject: Subject) -> str:
    """The decoder followed by the unembedding gives the model's own logits."""
    own = subject.model.module(input_ids=subject.ids, use_cache=False).logits
    return subject.differ("they differ", subject.anatomy.unembedding(subject.clean), own)


def no_op_is_exact(subject: Subject) -> str:
    """Putting back what passes each site, as it passes, changes no bit of the result."""
    again = subject.under(dict.fromkeys(subject.sites, _keep))
    return "" if torch.equal(again, subject.clean) else "an edit that keeps everything changed the result"


def self_patch_is_exact(subject: Subject) -> str:
    """Putting into each site what was captured there in the clean pass changes no bit of the result."""
    own = subject.captured(subject.sites)
    again = subject.under({site: constant(tensor) for site, tensor in own.items()})
    return "" if torch.equal(again, subject.clean) else "the clean pass's own tensors changed the result"


def patching_all_gives_the_donor(subject: Subject) -> str:
    """With the stream that enters a layer taken from another prompt, the pass goes on as that prompt's, bit for bit."""
    streams = few(subject.anatomy.sites(("residual",)))
    donor, expected = subject.captured(streams, subject.other), subject.hidden(subject.other)
    wrong = [site for site in streams if not torch.equal(subject.under({site: constant(donor[site])}), expected)]
    return f"patched at {_labels(wrong)}, the result is not the donor's" if wrong else ""


def updates_add_up(subject: Subject) -> str:
    """A layer's update is its operator's and its MLP's, and takes the stream from one layer to the next.

    So nothing else writes to the stream, and no site is read behind a norm. Compared on the scale of the stream, since
    what a layer adds is known no better than its output is rounded.
    """
    seen = subject.captured(subject.anatomy.sites((*GRANULARITIES, "residual")))
    wrong = []
    for i in range(len(subject.anatomy.layers)):
        before, after = seen[Site(i, "residual")], seen.get(Site(i + 1, "residual"))
        update = seen[Site(i, "operator")] + seen[Site(i, "mlp")]
        wrong.append(
            subject.differ(f"at L{i} operator and MLP and the layer differ", update, seen[Site(i, "layer")], before)
        )
        if after is not None:
            wrong.append(
                subject.differ(f"at L{i} stream and update differ from the next stream", before + update, after)
            )
    return next(filter(None, wrong), "")


def past_is_untouched(subject: Subject) -> str:
    """Changing the last token changes no earlier position: the decoder is causal."""
    ids = torch.cat([subject.ids[:, :-1], subject.other[:, -1:]], 1)
    return subject.differ("earlier positions change", subject.hidden(ids)[:, :-1], subject.clean[:, :-1], subject.clean)


def padding_is_neutral(subject: Subject) -> str:
    """Tokens behind a prompt's end change nothing."""
    padded = torch.cat([subject.ids, subject.other[:, :3]], 1)
    ours = subject.hidden(padded)[:, : subject.ids.shape[1]]
    return subject.differ("a padded prompt's result differs", ours, subject.clean)


def before_is_untouched(subject: Subject) -> str:
    """An edit at one position changes no earlier position of any layer, and nothing that comes before its site."""
    streams = subject.anatomy.sites(("residual",))
    clean, position = subject.captured(streams), subject.ids.shape[1] - 1
    for site in subject.some:

        def last_only(update: Tensor, before: Tensor) -> Tensor:
            return torch.cat([update[:, :position], 2 * update[:, position:] + 1], 1)

        with intervene(subject.anatomy, {site: last_only}):
            seen = subject.captured(streams)
        for stream, tensor in clean.items():
            early = stream.layer <= site.layer and stream != site
            untouched = slice(None) if early else slice(position)
            if not subject.same(seen[stream][:, untouched], tensor[:, untouched]):
                return f"an edit of {site.label} at position {position} reaches {stream.label} before it"
    return ""


def heads_add_up(subject: Subject) -> str:
    """What an operator writes is the sum of what each head's removal takes away, and what it writes given zeros."""
    for layer, heads in _heads(subject).items():
        projection, shape = subject.anatomy.projection(layer), subject.anatomy.heads(layer)
        whole = _outputs(subject, projection, {})
        bare = projection(whole.new_zeros(1, 1, shape.count * shape.width))
        taken = [whole - _outputs(subject, projection, {head: zero}) for head in heads]
        if wrong := subject.differ(f"at L{layer} the heads and the operator differ", sum(taken, bare), whole):
            return wrong
    return ""


def heads_are_separate(subject: Subject) -> str:
    """A head's site holds what its own values can reach: the values of other heads change nothing there, bit for bit.

    Where all heads share one value head, their queries are changed instead. A head-sized slice of the operator's
    *output* mixes all heads, and fails.
    """
    for layer, heads in _heads(subject).items():
        shape, own = subject.anatomy.heads(layer), subject.captured(heads)
        shared = shape.kv_count == 1
        site = Site(layer, "q_proj" if shared else "v_proj")
        for part in range(shape.count if shared else shape.kv_count):
            edit = _scaled(slice(part * shape.width, (part + 1) * shape.width))
            with intervene(subject.anatomy, {site: edit}):
                seen = subject.captured(heads)
            for index, head in enumerate(heads):
                changes = not torch.equal(seen[head], own[head])
                if changes != ((index if shared else shape.group(index)) == part):
                    return f"{head.label} {'changes' if changes else 'stays'} when part {part} of {site.label} changes"
    return ""


def hooks_fire_as_planned(subject: Subject) -> str:
    """Every hook fires once in every pass, is gone afterwards, also after an error, and none was left by others."""
    if left := sorted(_hooks(subject)):
        return f"before any intervention there are hooks on {', '.join(left[:3])}"
    with intervene(subject.anatomy, dict.fromkeys(subject.sites, _keep)):
        subject.hidden(subject.ids)
        subject.hidden(subject.ids)
    with suppress(_Stop), intervene(subject.anatomy, dict.fromkeys(subject.sites, _keep)):
        raise _Stop
    return f"hooks stay on {', '.join(left[:3])}" if (left := sorted(_hooks(subject))) else ""


def batched_as_alone(subject: Subject) -> str:
    """Measuring prompts together or one by one gives the same, and so do interventions."""
    some, run = _some(subject), subject.replay.run
    together = run(subject.prompts, some).values["kl"]
    by_prompt = torch.cat([run([prompt], some).values["kl"] for prompt in subject.prompts], 1)
    by_intervention = torch.cat([run(subject.prompts, [one]).values["kl"] for one in some])
    one_nat = together.new_ones(1)
    return subject.differ("prompts differ alone", by_prompt, together, one_nat) or subject.differ(
        "interventions differ alone", by_intervention, together, one_nat
    )


def replay_is_as_hooks(subject: Subject) -> str:
    """The packed passes give what one forward pass an intervention gives."""
    if subject.replay.fallback:
        return ""
    some = _some(subject)
    packed = subject.replay.run(subject.prompts, some).values["kl"]
    hooked = Replay(subject.model.module, packed=False).run(subject.prompts, some).values["kl"]
    each = (subject.differ(one.site.label, packed[k], hooked[k], hooked.new_ones(1)) for k, one in enumerate(some))
    return next(filter(None, each), "")


PROOFS: tuple[Callable[[Subject], str], ...] = (
    *(same_logits, no_op_is_exact, self_patch_is_exact, patching_all_gives_the_donor, updates_add_up),
    *(past_is_untouched, padding_is_neutral, before_is_untouched, heads_add_up, heads_are_separate),
    *(hooks_fire_as_planned, batched_as_alone, replay_is_as_hooks),
)


def proofs(
    model: LoadedModel, examples: Sequence[Example], kinds: tuple[SiteKind, ...] = GRANULARITIES
) -> Iterator[Proof]:
    """Every proof's outcome for some kinds of sites, on some prompts; those about heads only where heads are asked for.

    Raises:
        NotEvaluated: the model is no decoder whose parts are known.
    """
    subject = Subject(model, [example.clean_ids for example in examples[:PROMPTS]], kinds)
    for proof in PROOFS:
        try:
            with torch.inference_mode():
                detail = proof(subject)
        except NotEvaluated as error:
            detail = str(error)
        yield Proof(proof.__name__, (proof.__doc__ or "").partition("\n")[0], not detail, detail)


def prove(model: LoadedModel, examples: Sequence[Example], kinds: tuple[SiteKind, ...] = GRANULARITIES) -> None:
    """Run every proof, unless `model.proven` has all of these kinds of sites.

    Raises:
        NotEvaluated: code `proof_failed`, naming the first proof that fails.
    """
    keys = {proof_key(model, kind) for kind in kinds}
    if keys <= model.proven:
        return
    for proof in proofs(model, examples, kinds):
        if not proof.holds:
            what = f"proof `{proof.name}` failed on {type(model.module).__name__}: {proof.detail}"
            raise NotEvaluated("proof_failed", what)
    model.proven.update(keys)


class _Stop(Exception):
    """Stands for any error inside an intervention."""


def _keep(update: Tensor, before: Tensor) -> Tensor:
    return update


def _scaled(columns: slice) -> Edit:
    def edit(update: Tensor, before: Tensor) -> Tensor:
        new = update.clone()
        new[..., columns] = 2 * new[..., columns] + 1
        return new

    return edit


def _some(subject: Subject) -> list[Intervention]:
    """Removals and constants at a few sites of every kind."""
    ones = Constant(torch.ones(subject.anatomy.width))
    wide = ("residual", *GRANULARITIES)
    zeros = [Intervention(site, Zero()) for site in subject.some if site.granularity != "residual"]
    return zeros + [Intervention(site, ones) for site in subject.some if site.granularity in wide]


def _heads(subject: Subject) -> dict[int, list[Site]]:
    """All heads of a few layers, where heads are asked for."""
    layers = sorted({site.layer for site in subject.some if site.granularity == "head"})
    return {layer: [site for site in subject.sites if site[:2] == (layer, "head")] for layer in layers}


def _outputs(subject: Subject, module: torch.nn.Module, edits: dict[Site, Edit]) -> Tensor:
    """What a module gives under edits."""
    given: list[Tensor] = []
    handle = module.register_forward_hook(lambda module, args, output: given.append(output))
    try:
        subject.under(edits)
    finally:
        handle.remove()
    return given[0]


def _hooks(subject: Subject) -> set[str]:
    """The modules of the decoder that carry hooks not of the libraries that made them."""
    ours = set()
    for name, module in subject.anatomy.decoder.named_modules():
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        if any(not (hook.__module__ or "").startswith(("transformers.", "accelerate.", "peft.")) for hook in hooks):
            ours.add(name or "the decoder")
    return ours


def _labels(sites: Sequence[Site]) -> str:
    return ", ".join(site.label for site in sites)
