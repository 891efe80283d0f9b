"""specs: what a training recipe is: how a model is trained, on what, and which of its weights are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from .base import Many, Name, Spec
from .references import Refers, name_or_inline
from .sites import ConditionName, SiteKind

Modules = Literal["all_linear", "attention", "mlp", "operator_output", "convolution"]
"""all_linear: every linear module of a layer. attention: q, k, v and o. mlp: gate, up and down. operator_output: what
an operator writes with, o_proj or out_proj. convolution: in_proj and out_proj of short convolutions."""

ADAPTERS = ("lora", "qlora", "dpo", "grpo")
"""Trainings that write an adapter, where the recipe has targets."""


class NamedTargets(Spec):
    """Modules of layers that the recipe names."""

    strategy: Literal["named"] = "named"
    """named"""
    layers: Literal["all"] | Annotated[Many[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """Every layer, or these."""
    modules: Modules | Annotated[Many[SiteKind], Field(min_length=1)] = "all_linear"
    """A word, or module names such as q_proj. One that the model lacks is an error that lists those it has."""


class AtlasTargets(Spec):
    """Layers, and modules, that a map measured in the ledger puts on top: never a constant, never an empty look-up."""

    strategy: Literal["atlas"]
    """atlas"""
    suite: str
    """The suite of the map; its discovery examples."""
    granularity: SiteKind | Annotated[Many[SiteKind], Field(min_length=1)] = ("operator", "mlp")
    """What the map swept; the components with the largest typical effect are trained."""
    intervention: Literal["zero", "mean", "resample"] = "zero"
    """The intervention of the map."""
    top: Annotated[int, Field(ge=1)]
    """How many components."""
    modules: Modules | Annotated[Many[SiteKind], Field(min_length=1)] | None = None
    """Which modules of them; all of a component's own if left out."""


class RandomTargets(Spec):
    """As many components as the atlas would choose, drawn at random with the training seed: equal parameters."""

    strategy: Literal["random_matched"]
    """random_matched"""
    granularity: SiteKind | Annotated[Many[SiteKind], Field(min_length=1)] = ("operator", "mlp")
    """What is drawn from."""
    count: Annotated[int, Field(ge=1)]
    """How many components."""
    modules: Modules | Annotated[Many[SiteKind], Field(min_length=1)] | None = None
    """As for atlas."""


Targets = Annotated[NamedTargets | AtlasTargets | RandomTargets, Field(discriminator="strategy")]


class Data(Spec):
    """What a model is trained on: exactly one of families, jsonl, hub and canonical."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [k]} for k in ("families", "jsonl", "hub", "canonical")]}
    )

    families: Annotated[Many[str], Field(min_length=1)] | None = None
    """Task families, of whose training buckets the examples come: no prompt of a suite is among them."""
    jsonl: str | None = None
    """File of prompts and answers, or of conversations; relative to the workspace."""
    hub: str | None = None
    """Dataset on the Hugging Face hub, such as tatsu-lab/alpaca."""
    revision: str | None = None
    """Its commit; without one the claim is Pending until it is pinned."""
    subset: str | None = None
    """Name of a configuration, where the dataset has several."""
    canonical: str | None = None
    """A canonical set, whose examples are rendered into `format`."""
    format: (
        Literal[
            "flat_instruction",
            "single_turn_chat",
            "multi_turn_concise",
            "multi_turn_verbose",
            "structured_terse",
            "bad_control",
        ]
        | None
    ) = None
    """How the examples are rendered; no two formats are the same tokens."""
    examples: Annotated[int, Field(ge=1)] | None = None
    """How many are used; all if left out."""
    pairs: Literal["preference"] | None = None
    """preference: each prompt with a better and a worse answer, for dpo."""

    @model_validator(mode="after")
    def _one_place(self) -> Data:
        given = [name for name in ("families", "jsonl", "hub", "canonical") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"data names exactly one of families, jsonl, hub and canonical; this names {given}")
        if (self.canonical is None) != (self.format is None):
            raise ValueError("canonical and format go together: a canonical set is rendered into a format")
        return self


class Recipe(Spec):
    """How a model is trained. The same recipe with the same seed is one artefact, made once and kept."""

    recipe: Name | None = None
    """Name, as in the file's own name; a recipe written inside a claim needs none."""
    training: Literal["none", "lora", "qlora", "full", "pretrain", "dpo", "grpo", "stack"]
    """none: the model as it is. lora, qlora (weights in NF4), full: supervised. pretrain: on plain text. dpo: on
    preferences. grpo: on a checkable reward. stack: adapters of other recipes, added up."""
    data: Data | None = None
    """What it is trained on."""
    targets: Targets | None = None
    """Which weights have an adapter. Of a full training, which modules' weights are trained, all else being frozen;
    without targets it trains every weight."""
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    """Rank of the adapter."""
    alpha: Annotated[float, Field(gt=0)] = 16.0
    """Scale of the adapter: alpha / rank."""
    optimizer: Literal["adamw", "adafactor", "lion", "schedule_free"] = "adamw"
    """Optimizer, of a library."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    """Peak learning rate."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How it goes on after the warm-up."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps over which it rises."""
    steps: Annotated[int, Field(ge=1)] = 100
    """Steps of the whole training."""
    checkpoint: Annotated[int, Field(ge=0)] | None = None
    """Step whose weights are measured, on the way to `steps`; the last if left out."""
    batch: Annotated[int, Field(ge=1)] = 8
    """Examples a step."""
    order: Literal["shuffled", "as_given", "easy_first"] = "shuffled"
    """Order of the examples."""
    beta: Annotated[float, Field(gt=0)] | None = None
    """dpo, grpo: how strongly the base model holds the policy back."""
    skip: Annotated[Many[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    """Layers that are left out before training, so that it may recover what they did."""
    after: Annotated[
        Annotated[Annotated[str, Tag("name")] | Annotated[Recipe, Tag("inline")], Discriminator(name_or_inline)] | None,
        Refers("recipe"),
    ] = None
    """A recipe whose result this one starts from."""
    of: Annotated[
        Many[Annotated[Annotated[str, Tag("name")] | Annotated[Recipe, Tag("inline")], Discriminator(name_or_inline)]],
        Refers("recipe"),
    ] = ()
    """stack: the recipes whose adapters are added."""
    weights: Annotated[Many[float], Field(min_length=2)] | None = None
    """stack: the weight of each; equal shares if left out."""
    sweep: dict[ConditionName, dict[str, Any]] | None = None
    """Condition -> the fields in which it differs: one file, several trainings, which share what is equal."""
    notes: str | None = None
    """For people; not hashed."""

    @model_validator(mode="after")
    def _fitting(self) -> Recipe:
        stack, plain = self.training == "stack", self.training == "none"
        if stack != (len(self.of) > 1):
            raise ValueError("of belongs to training stack, which names two recipes or more")
        if self.weights is not None and len(self.weights) != len(self.of):
            raise ValueError("weights has one number for each recipe of `of`")
        if not (stack or plain) and self.data is None and self.sweep is None:
            raise ValueError(f"training {self.training} needs data")
        if self.training in ("lora", "qlora") and self.targets is None and self.sweep is None:
            raise ValueError(f"training {self.training} needs targets")
        if self.beta is not None and self.training not in ("dpo", "grpo"):
            raise ValueError("beta belongs to dpo and grpo")
        if self.checkpoint is not None and self.checkpoint > self.steps:
            raise ValueError(f"checkpoint {self.checkpoint} comes after the last of {self.steps} steps")
        for label, changes in (self.sweep or {}).items():
            if "sweep" in changes:
                raise ValueError(f"sweep.{label}.sweep: a sweep is of one level")
            try:
                self.condition(label)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(("sweep", label, *map(str, first["loc"][:1])))
                raise ValueError(f"{where} {first['msg'].removeprefix('Value error, ')}") from error
        return self

    def lineage(self) -> Iterator[Recipe]:
        """The recipe, and all those whose result it starts from or adds up, as far as they are written out."""
        yield self
        for earlier in (self.after, *self.of):
            if isinstance(earlier, Recipe):
                yield from earlier.lineage()

    def condition(self, label: str) -> Recipe:
        """One recipe of a sweep."""
        assert self.sweep is not None
        common = self.model_dump(exclude_unset=True, exclude={"sweep", "recipe", "notes"})
        return Recipe.model_validate({**common, **self.sweep[label]})

    def conditions(self, name: str) -> Mapping[str, Recipe]:
        """The trainings that a recipe stands for: those of its sweep, or itself under a name."""
        return {label: self.condition(label) for label in self.sweep} if self.sweep else {name: self}


NamedRecipe = Annotated[
    Annotated[str, Tag("name")] | Annotated[Recipe, Tag("inline")],
    Discriminator(name_or_inline),
]
"""A name in specs/library/recipes, or a recipe written out."""
