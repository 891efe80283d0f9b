"""evaluators/finetuning: trained models: each training is made once, kept, and put into the base model on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..anatomy import Anatomy
from ..cells import NotEvaluated
from ..models.load import LoadedModel, load
from ..pocket.compiled import shifted_convolutions
from ..pocket.train import one_thread
from ..registry import Materials
from . import lora
from .artefacts import Artefacts
from .inplace import left_out, replaced
from .job import Job
from .loop import training_loss
from .plan import Plan, plan_of, quantised, skipped
from .run import WEIGHTS, bytes_needed, run

SMALL = 50_000_000
"""Bytes of weights under which a model is trained on one thread: its matrices are too small to share."""


@dataclass(frozen=True)
class Training:
    """What came of a training."""

    job: Job
    folder: Path | None
    """Of its files: a PEFT adapter, or weights; None where nothing was trained."""
    kind: Literal["none", "adapter", "weights"]
    digest: str
    """sha256 of the file of weights; `-` where there is none."""
    losses: tuple[float, ...]
    """What was minimised at each step, before its update; of supervised training nats an answer token."""
    training_loss: float
    """Its mean over the last tenth of the steps."""
    duration: float
    """Seconds."""
    peak_memory: int
    """Bytes: on a GPU the most that were allocated; on a CPU weights, gradients, optimizer states and activations."""
    parameters: int
    """How many numbers were trained, counted."""
    bytes: int
    """Of the file of weights."""


class Workshop:
    """Trains one base model by recipes, and lends it out trained.

    A training that an earlier process made and kept is found again. The base model is loaded once; whatever is trained
    or put into it is taken out again, bit for bit. A `qlora` recipe is trained, and its adapter used, on the base model
    in NF4: where the claim's model is not, on a copy of it that is.
    """

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        if model.located.adapter is not None or hasattr(model.module, "peft_config"):
            raise NotEvaluated("adapted_model", "a model that has an adapter is trained once it is merged into weights")
        self._model, self._materials = model, materials
        self._temporary = None if materials.artefacts else TemporaryDirectory(prefix="mi-atlas-trainings-")
        self._artefacts = Artefacts(materials.artefacts or Path(self._temporary.name))  # type: ignore[union-attr]
        self._plans: dict[Job, Plan] = {}
        self._made: dict[str, Training] = {}
        self._nf4: LoadedModel | None = None

    def base(self) -> LoadedModel:
        """The claim's model, untouched."""
        return self._model

    def make(self, job: Job) -> Training:
        """The training: one found among what is kept, or made now. The same job gives the same bytes.

        Raises:
            NotEvaluated: `no_such_module`, `empty_atlas`, `too_few_components`, `no_optimizer`, `out_of_memory`,
                `training_diverged`, ..., or the data are not here.
        """
        plan = self._plan(job)
        if plan.key not in self._made:
            self._made[plan.key] = self._find(plan) or self._train(plan)
        return replace(self._made[plan.key], job=job)

    def bytes_needed(self, job: Job) -> int:
        """What a training takes at least, whether or not it fits: weights, gradients and optimizer states, in bytes."""
        return bytes_needed(self._plan(job), self._base_of(job))

    @contextmanager
    def trained(self, training: Training) -> Iterator[LoadedModel]:
        """The base model as the training left it: adapter live or weights in place, layers of `skip` adding nothing.

        It has a name of its own, so that what was proven of the base model is not taken for proven of it.
        """
        model = self._base_of(training.job)
        with ExitStack() as stack:
            stack.enter_context(left_out(model.module, skipped(training.job.recipe)))
            module: Any = model.module
            if training.kind == "weights":
                stack.enter_context(replaced(model.module, weights_of(training)))
            elif training.folder is not None:
                module = stack.enter_context(lora.loaded(model.module, {lora.NEW: training.folder}))
            yield as_trained(replace(model, module=module), training)

    def _plan(self, job: Job) -> Plan:
        if job not in self._plans:
            self._plans[job] = plan_of(job, self._base_of(job), self._materials)
        return self._plans[job]

    def _base_of(self, job: Job) -> LoadedModel:
        spec = self._model.located.spec
        if not quantised(job.recipe) or spec.quantization == "nf4":
            return self._model
        if spec.quantization is not None:
            raise NotEvaluated(
                "quantised_weights", f"qlora trains on NF4 weights; this model's are {spec.quantization}"
            )
        if self._nf4 is None:
            located = self._model.located
            spec = spec.model_copy(update={"quantization": "nf4"})
            held = replace(located, spec=spec, parts={**located.parts, "quantization": "nf4"})
            try:
                self._nf4 = replace(load(held, self._model.device), proven=self._model.proven)
            except (RuntimeError, ValueError) as error:
                text = f"bitsandbytes {self._model.device.type} gives no NF4 copy of this model: {error}"
                raise NotEvaluated("no_nf4", text.splitlines()[0]) from error
        return self._nf4

    def _find(self, plan: Plan) -> Training | None:
        if plan.is_base:
            return Training(plan.job, None, "none", "-", (), 0.0, 0.0, 0, 0, 0)
        found = self._artefacts.find(plan.key)
        return _training(plan.job, *found) if found else None

    def _train(self, plan: Plan) -> Training:
        parents = [self.make(parent) for parent in plan.parents]
        model = self._base_of(plan.job)
        with self._artefacts.alone(plan.key) as aside:
            if (made := self._find(plan)) is not None:
                return made
            with _kernels(model), torch.enable_grad():
                start = time.perf_counter()
                result = run(plan, model, parents, self._materials.workspace, aside)
            record = {
                "kind": result.kind,
                "losses": list(result.losses),
                "duration": time.perf_counter() - start,
                "peak_memory": result.peak_memory,
                "parameters": result.parameters,
                "trained": plan.parts,
            }
            self._artefacts.keep(plan.key, "adapters" if result.kind == "adapter" else "weights", aside, record)
        found = self._find(plan)
        if found is None:
            raise NotEvaluated("run_failed", "what a training wrote was gone before it could be read")
        return found


@contextmanager
def _kernels(model: LoadedModel) -> Iterator[None]:
    """On a CPU: one thread for a small model, and short convolutions whose gradient costs a tenth of the library's."""
    with ExitStack() as stack:
        if model.device.type == "cpu":
            if sum(p.numel() * p.element_size() for p in model.module.parameters()) < SMALL:
                stack.enter_context(one_thread())
            if model.located.architecture.startswith("Lfm2"):
                stack.enter_context(shifted_convolutions())
        yield


def as_trained(model: LoadedModel, training: Training) -> LoadedModel:
    """A trained model under a name of its own."""
    own = {"training": f"{training.digest} without {training.job.recipe.skip}"}
    return replace(model, located=replace(model.located, parts={**model.located.parts, **own}))


def weights_of(training: Training) -> Mapping[str, Tensor]:
    """Name -> the weights that a training of kind `weights` left."""
    if training.kind != "weights" or training.folder is None:
        raise NotEvaluated("no_weights", f"recipe {training.job.recipe.training} left no weights of its own")
    return load_file(training.folder / WEIGHTS)


def deltas(training: Training, anatomy: Anatomy) -> Mapping[str, tuple[Tensor, Tensor, float]]:
    """Module name -> (A [rank, in], B [out, rank], s): the adapter adds s B A to that module's weight; none of `none`.

    Raises:
        NotEvaluated: `not_an_adapter`, the training changed weights in place.
    """
    if training.kind == "weights":
        raise NotEvaluated("not_an_adapter", f"recipe {training.job.recipe.training} trains weights, not an adapter")
    found = lora.read(training.folder) if training.folder else {}
    return {name: (a.to(anatomy.device), b.to(anatomy.device), scale) for name, (a, b, scale) in found.items()}


def _training(job: Job, record: Mapping[str, Any], folder: Path) -> Training:
    name = lora.WEIGHTS if record["kind"] == "adapter" else WEIGHTS
    losses = tuple(record["losses"])
    return Training(
        job=job,
        folder=folder,
        kind=record["kind"],
        digest=record["files"][name],
        losses=losses,
        training_loss=training_loss(losses),
        duration=record["duration"],
        peak_memory=record["peak_memory"],
        parameters=record["parameters"],
        bytes=(folder / name).stat().st_size,
    )
