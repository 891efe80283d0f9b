"""engine: `mi-atlas map`: what matters where in a model, measured on discovery examples, and claims drafted from it.

Every layer, operator, MLP and head is zeroed in turn. Nothing enters the ledger: what is seen here is for drafting, and
the drafts are tried on the verification split, whose templates are others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluators.cells import NotEvaluated
from ...evaluators.models.locate import Absent, Located, locate
from ...evaluators.registry import find_version
from ...evaluators.tasks import TaskError
from ...evaluators.tasks.family import find_family
from ...specs.library import Library
from ...specs.model import Model, Source
from ...specs.suite import Suite
from ..errors import EngineError, MachineError, UsageError
from ..measure import SHARED_FROM_BYTES, cores, failure_of
from ..memo import generate_blocks
from .drafts import NAMES, About, drafted
from .lora import lora_config
from .zeroing import EVALUATOR, INTERVENTION, Measured, Say, measure

if TYPE_CHECKING:
    from ...evaluators.models.load import LoadedModel
    from ..workspace import Workspace

KINDS = ("layer", "operator", "mlp", "head")

DRAW = 1


@dataclass(frozen=True)
class Asked:
    """What is to be mapped, and where it is written."""

    model: str
    """A name of the library, a folder, or an id on the hub."""
    suite: str = "main-12"
    kinds: tuple[str, ...] = KINDS
    templates: int | None = None
    """Discovery templates a family; None: all that the suite has."""
    out: Path | None = None
    """None: maps/NAME, beside the ledger."""
    lora_config: Path | None = None
    """Where a LoRA configuration is written, if one is wanted."""
    layers: int = 4
    """How many layers that configuration adapts."""
    device: str | None = None


@dataclass(frozen=True)
class Target:
    """The model that is mapped, by every name it needs."""

    spec: Model
    name: str
    """In prose."""
    folder: str
    """Of files and claims: lower case."""
    reference: Any
    """What a claim says: a name, or the spec as a document."""


def map_model(workspace: Workspace, asked: Asked, say: Say) -> list[Path]:
    """Measure, and write map.json, map.html, drafts below claims/, and a LoRA configuration if one is wanted.

    Raises:
        UsageError: something that would be written is there already, or there is no such kind, suite or layer.
        MachineError: the model is not here, cannot be measured, or the files cannot be written.
    """
    if unknown := [kind for kind in asked.kinds if kind not in KINDS]:
        raise UsageError(f"there is no map of `{unknown[0]}`: kinds are {', '.join(KINDS)}")
    target = find_target(workspace, asked.model)
    out = asked.out or workspace.ledger.parent / "maps" / target.folder
    _refuse_present(out, target, asked.lora_config)
    suite = discovery_suite(workspace, asked)
    located = locate(target.spec, workspace.root)
    if isinstance(located, Absent):
        raise MachineError(located.message)
    if asked.lora_config and asked.layers > located.layers:
        raise UsageError(f"{target.name} has {located.layers} layers; --layers asks for {asked.layers}")
    if asked.lora_config and located.adapter:
        raise UsageError(f"{target.name} has an adapter already; --lora-config is for models without")
    try:
        model = _load(located, asked.device)
        blocks = generate_blocks(suite, located, DRAW, workspace.root, "discovery")
        measured = measure(model, blocks, asked.kinds, asked.suite, say)
    except EngineError:
        raise
    except (NotEvaluated, TaskError) as error:
        raise MachineError(str(error)) from error
    except Exception as error:
        if (failure := failure_of(error)).code != "out_of_memory":
            raise
        raise MachineError(f"{failure.reason}; give fewer --templates, or another --device") from error
    files = _files(target, located, asked, measured, out)
    if asked.lora_config:
        base = target.spec.source.hub or str(located.folder)
        config = lora_config(model.module, measured.effects, asked.layers, base)
        files[asked.lora_config] = json.dumps(config, indent=2) + "\n"
    return _write(files)


def find_target(workspace: Workspace, named: str) -> Target:
    """The model of a name in the library, in a folder, or of a hub id, in this order.

    Raises:
        SpecError: it is none of these.
    """
    library, path = Library(workspace.libraries), Path(named)
    if named in library.models:
        return Target(library.model(named), named, named, named)
    if path.is_dir():
        whole = path.resolve()
        inside = whole.is_relative_to(workspace.root)
        spec = Model(source=Source(path=str(whole.relative_to(workspace.root) if inside else whole)))
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", named):
        spec = Model(source=Source(hub=named))
    else:
        return Target(library.model(named), named, named, named)
    name = path.resolve().name if path.is_dir() else named.rpartition("/")[2]
    folder = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "model"
    return Target(spec, name, folder, spec.model_dump(mode="json", exclude_defaults=True))


def discovery_suite(workspace: Workspace, asked: Asked) -> Suite:
    """The suite that is looked at: of each discovery template as many prompts as an audit has of each of its own.

    Raises:
        UsageError: the suite has rows of its own, of which no number of templates can be asked for.
    """
    suite = Library(workspace.libraries).suite(asked.suite)
    if suite.families is None:
        if asked.templates is not None:
            raise UsageError(f"--templates is for suites of generated families; every row of {asked.suite} is used")
        return suite
    there = min(len(find_family(family).split("discovery")) for family in suite.families)
    templates = min(asked.templates or suite.templates, there)
    items = templates * max(1, suite.items // suite.templates)
    return suite.model_copy(update={"templates": templates, "items": items})


def _load(located: Located, device: str | None) -> LoadedModel:
    import torch

    from ...evaluators.models.load import load
    from ..audit import pick_device

    torch.set_num_threads(1 if located.bytes < SHARED_FROM_BYTES else cores())
    return load(located, pick_device(device))


def _files(target: Target, located: Located, asked: Asked, measured: Measured, out: Path) -> dict[Path, str]:
    from ..site.pages import render_map

    about = About(target.name, target.folder, target.reference, asked.suite)
    drafts = drafted(measured.effects, about)
    document = {
        "model": target.reference,
        "digests": dict(located.parts),
        "suite": asked.suite,
        "split": "discovery",
        "draw": DRAW,
        "evaluator": f"{EVALUATOR}@{find_version(EVALUATOR)}",
        "intervention": INTERVENTION,
        "quantity": "kl",
        "unit": "nats",
        "value": "exp of the mean over templates of the mean log KL, floored",
        "families": {
            block.family: {
                "examples": len(block.examples),
                "templates": len({example.template for example in block.examples}),
                "digest": block.digest,
                "exact_match": measured.exact.get(block.family),
            }
            for block in measured.blocks
        },
        "components": measured.cells,
        "over_all_families": measured.effects,
    }
    page = render_map(target.name, located, measured.atlas.maps(), asked.suite, sorted(drafts))
    return {
        out / "map.json": json.dumps(document, indent=1) + "\n",
        out / "map.html": page,
        **{_draft_path(out, name): text for name, text in drafts.items()},
    }


def _draft_path(out: Path, name: str) -> Path:
    return out / "claims" / f"{name}.yaml"


def _refuse_present(out: Path, target: Target, config: Path | None) -> None:
    """Before anything is measured: nothing is overwritten."""
    drafts = [_draft_path(out, f"{target.folder}/{name}") for name in NAMES]
    for path in (out / "map.json", out / "map.html", *drafts, *([config] if config else [])):
        if path.exists():
            raise UsageError(f"{path} exists, and nothing is overwritten; give another --out, or move it away")


def _write(files: Mapping[Path, str]) -> list[Path]:
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise MachineError(f"{path}: cannot be written ({error})") from error
    return list(files)
