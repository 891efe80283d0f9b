"""evaluators: variants: one measurement on several models, or on one in several number formats, on the same texts.

A component is a condition: a form of the claim's model, or another model. With r the reference and q the form, per
example:

    kl_from_reference     KL(r || q) of the next token at the answer position, nats
    target_logprob_drop   log p(target) of r less that of q, the whole target, nats
    exact_match           1 where greedy decoding of q gives the whole target (`finetuning.scores`)
    ablation_kl           KL(q || q ablated at its site), nats (`ablation`)
    steering_kl           KL(q || q steered at its site), nats, on the prompts that `steering` steers
    steering_slope        of the logit difference over the strengths, logits per unit of strength (`steering`)

Forms of the reference's own weights are steered by its direction, learnt at its site: the same vector in each. Other
models learn their own. `hold|mismatched_outputs` asks for another example's answer. Where the claim's model has random
weights, so have all its forms, each held in its own number format, and all other models, of the same seed.
A model with another tokenizer is given the same texts, where they are examples under it too.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_model
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Site, parse_component
from . import ablation, steering
from .cells import APPLIES, Cell, CellResult, NotEvaluated, Values, attempt, grouped, together
from .finetuning.scores import Scores, kl, score
from .models.load import LoadedModel, load, load_untrained
from .models.locate import untrained
from .proofs import prove
from .registry import Materials
from .tasks.align import align
from .tasks.example import Block, Example

HELD = ("distribution", "answer")
"""What is measured of a model as it is."""

FORMAT = ("dtype", "quantization")
"""Parts of a model in which its number formats differ."""

MISMATCHED = "mismatched_outputs"


class Variants:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a condition together.

        Raises:
            NotEvaluated: `no_such_condition`, `other_tokenizer`, `other_vocabulary`, `no_such_intervention`,
                `no_such_control`, `no_other_answer`; as `ablation` and `steering`; what keeps a form from being loaded.
        """
        bench = Bench(model, materials, cells)
        yield from together((mine, partial(bench.values, *key)) for key, mine in grouped(cells, bench.order, 3))


class Bench:
    """A model, its forms and others, before the texts of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> None:
        self.model, self.materials = model, materials
        self.about, self.reference = materials.settings["about"], materials.settings["reference"]
        self.sites: Mapping[str, str | None] = materials.settings["variants"]
        self._cells = cells
        self.form, self.blocks, self.scores = cache(self._form), cache(self._blocks), cache(self._scores)
        self.ablated, self.steered = cache(self._ablation), cache(self._steering)

    def order(self, cell: Cell) -> tuple[str, str, bool, str, int]:
        """Cells of one condition stand together, and among them those of one family, and one sign where it is steered.

        Raises:
            NotEvaluated: `no_such_condition`.
        """
        if cell.site not in self.sites:
            known = ", ".join(self.sites)
            raise NotEvaluated("no_such_condition", f"there is no variant `{cell.site}`; there are {known}")
        forward = self.about not in (*HELD, "ablation") and steering.Word.of(cell).strength > 0
        return cell.site, cell.family, forward, cell.intervention, cell.seed

    def values(
        self, condition: str, family: str, forward: bool, cells: Sequence[Cell]
    ) -> Sequence[Values | NotEvaluated]:
        """What cells of one condition and family give, or why there is nothing."""
        found = attempt(self._values, condition, family, forward, cells)
        return [found] * len(cells) if isinstance(found, NotEvaluated) else found

    def _values(
        self, condition: str, family: str, forward: bool, cells: Sequence[Cell]
    ) -> Sequence[Values | NotEvaluated]:
        if self.about in HELD:
            return [self._held(cell) for cell in cells]
        placed = [replace(cell, site=self.sites[condition] or "") for cell in cells]
        if self.about == "ablation":
            return [
                _named(each, "ablation_kl", "kl") for each in self.ablated(condition).ablated_values(family, placed)
            ]
        name = "kl" if self.about == "steered" else "slope"
        found = self.steered(condition).values(family, forward, placed)
        return [each if isinstance(each, NotEvaluated) else _named(each, f"steering_{name}", name) for each in found]

    def _form(self, condition: str) -> LoadedModel:
        given = self.materials.variants.get(condition, self.model)
        seed = self.model.located.untrained
        if seed is None or given.located.untrained is not None:
            return given
        return replace(as_untrained(given, seed), proven=self.model.proven)

    def _blocks(self, condition: str, split: str) -> tuple[Block, ...]:
        given = self.materials.discovery if split == "discovery" else self.materials.blocks
        return tuple(_read_by(self.form(condition), self.model, block) for block in given)

    def _scores(self, condition: str, family: str) -> Scores:
        return score(self.form(condition), self._examples(condition, family))

    def _examples(self, condition: str, family: str) -> Sequence[Example]:
        return next(block.examples for block in self.blocks(condition, "verification") if block.family == family)

    def _held(self, cell: Cell) -> Values:
        what, _, control = cell.intervention.partition("|")
        if what != "hold" or (control and (control != MISMATCHED or self.about != "answer")):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} of {cell.site} is not defined")
        if self.about == "answer":
            return self._answers(cell, bool(control))
        pair = self.form(self.reference), self.form(cell.site)
        if not pair[0].reads_like(pair[1]):
            what = f"{self.reference} and {cell.site} have other tokens: their distributions are over different things"
            raise NotEvaluated("other_vocabulary", what)
        reference, own = (self.scores(name, cell.family) for name in (self.reference, cell.site))
        return {"kl_from_reference": kl(reference, own).tolist()}

    def _answers(self, cell: Cell, mismatched: bool) -> Values:
        if not mismatched:
            reference, own = (self.scores(name, cell.family) for name in (self.reference, cell.site))
        else:
            reference, own = (
                score(self.form(name), _with_other_answers(self._examples(name, cell.family), cell.seed))
                for name in (self.reference, cell.site)
            )
        return {"target_logprob_drop": (reference.target - own.target).tolist(), "exact_match": own.exact.tolist()}

    def _ablation(self, condition: str) -> ablation.Bench:
        form, blocks = self.form(condition), self.blocks(condition, "verification")
        prove(form, blocks[0].examples[:4], ablation.kinds_of(self._placed(condition)))
        return ablation.Bench(form, blocks)

    def _steering(self, condition: str) -> steering.Bench:
        settings = {name: self.materials.settings[name] for name in ("positive", "negative")}
        if "families" in self.materials.settings:
            settings["families"] = self.materials.settings["families"]
        given = Materials(
            self.blocks(condition, "verification"),
            settings | {"contrast": "answer", "about": self.about},
            self.blocks(condition, "discovery"),
        )
        form, placed, site = self.form(condition), self._placed(condition), self.sites[condition] or ""
        if condition == self.reference or not _one_model(form, self.form(self.reference)):
            return steering.Bench(form, given, placed)
        return Follower(form, given, placed, self.steered(self.reference), _followed(site, self.sites[self.reference]))

    def _placed(self, condition: str) -> list[Cell]:
        """All cells, at the site of a condition."""
        return [replace(cell, site=self.sites[condition] or "") for cell in self._cells]


class Follower(steering.Bench):
    """A form of a model that is steered by what another form has learnt."""

    def __init__(
        self,
        form: LoadedModel,
        materials: Materials,
        cells: Sequence[Cell],
        leader: steering.Bench,
        there: Mapping[Site, Site],
    ) -> None:
        """`there`: where in the leader the vector of each site is learnt."""
        super().__init__(form, materials, cells)
        self._leader, self._there = leader, there

    def _added(self, name: str, site: Site, word: steering.Word, draw: int) -> Tensor:
        return self._leader._added(name, self._there[site], word, draw)


def _followed(site: str, reference: str | None) -> dict[Site, Site]:
    """Site of a form -> that of the reference."""
    own, there = (parse_component(label).sites for label in (site, reference or site))
    if len(own) != len(there):
        raise NotEvaluated("no_such_site", f"{site} and {reference} are not as many sites: no direction is of both")
    return dict(zip(own, there, strict=True))


def _one_model(form: LoadedModel, other: LoadedModel) -> bool:
    """Whether two are one model in number formats of its own."""
    one, two = ({k: v for k, v in each.located.parts.items() if k not in FORMAT} for each in (form, other))
    return one == two


def as_untrained(given: LoadedModel, seed: int) -> LoadedModel:
    """The same with random weights, in its own number format, quantised as they are loaded."""
    quantization = given.located.spec.quantization
    random_one = load_untrained(given.located, seed, given.device)
    if quantization is None:
        return random_one
    with TemporaryDirectory(prefix="mi-atlas-untrained-") as folder:
        save_model(random_one.module, str(Path(folder) / "model.safetensors"), metadata={"format": "pt"})
        shutil.copy(given.located.folder / "config.json", folder)
        held = load(replace(given.located, folder=Path(folder), adapter=None), given.device)
    parts = {**untrained(given.located, seed).parts, "quantization": quantization}
    return replace(held, located=replace(given.located, parts=parts, untrained=seed))


def _read_by(form: LoadedModel, model: LoadedModel, block: Block) -> Block:
    """The same texts as a form's tokenizer makes them.

    Raises:
        NotEvaluated: `other_tokenizer`, under which an example is none.
    """
    if form.reads_like(model):
        return block
    examples = []
    for e in block.examples:
        read = align(form.tokenizer, e.family, e.template, e.clean, e.corrupt, e.target, e.wrong_target)
        if isinstance(read, str):
            what = f"{form.located.architecture} has another tokenizer, under which `{e.clean}` is no example: {read}"
            raise NotEvaluated("other_tokenizer", what)
        examples.append(read)
    return replace(block, examples=tuple(examples))


def _with_other_answers(examples: Sequence[Example], draw: int) -> list[Example]:
    """Each example with the answer of another one, which is not its own.

    Raises:
        NotEvaluated: `no_other_answer`.
    """
    found = []
    for example in examples:
        others = [other for other in examples if other.target_ids != example.target_ids]
        if not others:
            raise NotEvaluated("no_other_answer", f"all examples of {example.family} have the answer{example.target}")
        other = random.Random(digest("mismatched", [example.id, draw])).choice(others)
        found.append(replace(example, target=other.target, target_ids=other.target_ids))
    return found


def _named(values: Values, name: str, own: str) -> Values:
    """One quantity under the name it has here, and where it applies."""
    return {name: values[own]} | ({APPLIES: values[APPLIES]} if APPLIES in values else {})


EVALUATOR = Variants
