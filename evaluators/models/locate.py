"""evaluators/models: where a model's files are and what identifies it. No torch, no network.

A model is its safetensors, config.json and tokenizer.json in one folder. What a folder has beside
these (pickled weights, code) is never read.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...specs.canonical import digest, digest_file
from ...specs.model import Model
from ...specs.sites import Frame
from ..pocket import packaged

NONE = "-"
"""Value of a part that the model does not have."""

INDEX = "model.safetensors.index.json"

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

Reason = Literal[
    "weights_missing",
    "no_safetensors",
    "no_tokenizer",
    "remote_code",
    "unsupported",
    "adapter_missing",
    "no_such_model",
]

FileDigest = Callable[[Path], str]


@dataclass(frozen=True)
class Located:
    """A model whose files are all on this machine."""

    spec: Model
    folder: Path
    config: Mapping[str, Any]
    """config.json."""
    layers: int
    architecture: str
    """Class name in transformers, such as Qwen2ForCausalLM."""
    tokenizer_file: Path
    parts: Mapping[str, str]
    """What identifies the model, part by part: a digest or a word; `-` where it has none."""
    bytes: int
    """Size of the weights on disk, adapter included."""
    adapter: Path | None = None
    """Folder of the PEFT adapter."""
    heads: tuple[int, ...] = ()
    """Query heads of each layer; 0 where its operator is no attention. Empty: config.json does not say."""
    untrained: int | None = None
    """Seed of the random weights that stand in for the trained ones; None: the trained ones."""

    @property
    def frame(self) -> Frame:
        """Which sites the model has, as far as config.json tells."""
        return Frame(self.layers, self.heads)


@dataclass(frozen=True)
class Absent:
    """A model that cannot be used here, and what would help."""

    spec: Model
    reason: Reason
    message: str
    """One line for a person."""
    command: str | None = None
    """The command that fetches it, where one can."""
    bytes: int | None = None
    """Size of the weights, where it is known."""


class _Missing(Exception):
    def __init__(self, reason: Reason, message: str, size: int | None = None) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.size = size


def locate(model: Model, workspace: Path, file_digest: FileDigest = digest_file) -> Located | Absent:
    """Find a model's files and digest them; a path is relative to `workspace`.

    `file_digest` gives the sha256 of a file; a caller that remembers digests passes its own.
    """
    try:
        return _locate(model, workspace, file_digest)
    except _Missing as fault:
        fetchable = model.source.hub is not None and fault.reason == "weights_missing"
        return Absent(
            model, fault.reason, str(fault), command=fetch_command(model) if fetchable else None, bytes=fault.size
        )


def changed(located: Located, file_digest: FileDigest = digest_file) -> list[str]:
    """Which parts of a model are no longer what they were when it was located.

    Of random weights only what they are made from is looked at.
    """
    now = _digests(located.folder, located.tokenizer_file, located.adapter, file_digest, located.untrained is None)
    return [part for part, found in now.items() if found != located.parts[part]]


def untrained(located: Located, seed: int) -> Located:
    """The same architecture and tokenizer with random weights: no adapter, not quantised, its own identity."""
    parts = dict(located.parts)
    parts["weights"] = digest("untrained", {"config": parts["config"], "seed": seed})
    return dataclasses.replace(
        located,
        spec=located.spec.model_copy(update={"quantization": None, "adapter": None}),
        parts=parts | {"quantization": NONE, "adapter": NONE},
        adapter=None,
        untrained=seed,
    )


def fetch_command(model: Model) -> str:
    """The command that fetches a model from the hub."""
    return f"mi-atlas audit --model {model.model} --download" if model.model else "mi-atlas audit --download"


def hub_folder(hub: str, revision: str | None) -> Path | None:
    """The snapshot of a hub id in the local Hugging Face cache; None where there is none.

    Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache (read directly, since the
    client's own look-up costs .1 s of imports).
    """
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}"
    revision = revision or "main"
    if ".." in revision:
        return None
    ref = repository / "refs" / revision
    commit = ref.read_text().strip() if ref.is_file() else revision
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that are loaded from a folder: one file, or the shards of its index."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if (folder / INDEX).is_file():
        return _shards(folder)
    if any(path for pattern in PICKLED for path in folder.glob(pattern)):
        raise _Missing("no_safetensors", f"{folder} has pickled weights only; convert them to safetensors")
    raise _Missing("weights_missing", f"{folder} has no model.safetensors")


def _locate(model: Model, workspace: Path, file_digest: FileDigest) -> Located:
    folder = _folder(model, workspace)
    config = _json(folder / "config.json")
    architecture, layers = _architecture(folder, config)
    weights = weight_files(folder)
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise _Missing("no_tokenizer", f"{folder} has no tokenizer.json; save it with a fast tokenizer")
    adapter = workspace / model.adapter if model.adapter else None
    adapter_files = _adapter_files(adapter) if adapter else []
    parts = {
        **_digests(folder, tokenizer, adapter, file_digest),
        "dtype": model.dtype,
        "quantization": model.quantization or NONE,
    }
    size = sum(path.stat().st_size for path in [*weights, *adapter_files])
    return Located(model, folder, config, layers, architecture, tokenizer, parts, size, adapter, _heads(config, layers))


def _digests(
    folder: Path, tokenizer: Path, adapter: Path | None, file_digest: FileDigest, trained: bool = True
) -> dict[str, str]:
    """Of the files of a model, part by part; those of its weights where it is trained."""

    def of(kind: str, files: list[Path]) -> str:
        return digest(kind, [[path.name, file_digest(path)] for path in files])

    parts = {
        "config": file_digest(folder / "config.json"),
        "tokenizer": file_digest(tokenizer),
        "chat_template": _chat_template(folder),
        "adapter": of("adapter", _adapter_files(adapter)) if adapter else NONE,
    }
    return {"weights": of("weights", weight_files(folder)), **parts} if trained else parts


def _folder(model: Model, workspace: Path) -> Path:
    source = model.source
    if source.pocket is not None:
        folder = packaged(source.pocket)
        if folder is None:
            raise _Missing("no_such_model", f"no pocket model `{source.pocket}` ships with this package")
        return folder
    if source.path is not None:
        folder = workspace / source.path
        if not folder.is_dir():
            raise _Missing("weights_missing", f"there is no folder {folder}")
        return folder
    hub = source.hub or ""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub) or ".." in hub:
        raise _Missing("no_such_model", f"`{hub}` is no Hugging Face id")
    found = hub_folder(hub, source.revision)
    if found is None:
        raise _Missing("weights_missing", f"the weights of {hub} are not on this machine")
    return found


def _architecture(folder: Path, config: Mapping[str, Any]) -> tuple[str, int]:
    if config.get("auto_map"):
        raise _Missing("remote_code", f"{folder} needs code of its own to run (auto_map); it is not executed")
    if (folder / "adapter_config.json").exists():
        raise _Missing("unsupported", f"{folder} holds an adapter too; give it a folder of its own, named by `adapter`")
    architecture = (config.get("architectures") or [None])[0]
    if not isinstance(architecture, str) or not architecture.endswith("ForCausalLM"):
        raise _Missing("unsupported", f"{folder}: {architecture or 'no architecture'} is no causal language model")
    layers = config.get("num_hidden_layers")
    if not isinstance(layers, int):
        raise _Missing("unsupported", f"{folder}: config.json does not say num_hidden_layers")
    return architecture, layers


def _heads(config: Mapping[str, Any], layers: int) -> tuple[int, ...]:
    count, kinds = config.get("num_attention_heads"), config.get("layer_types") or ()
    attending = config.get("full_attn_idxs")
    if not isinstance(count, int):
        return ()
    if attending is not None:
        return tuple(count * (layer in attending) for layer in range(layers))
    convolutions = [str(kind) == "conv" for kind in kinds] or [False] * layers
    return tuple(0 if convolution else count for convolution in convolutions)


def _shards(folder: Path) -> list[Path]:
    index = _json(folder / INDEX)
    names = sorted({str(name) for name in (index.get("weight_map") or {}).values()})
    size = (index.get("metadata") or {}).get("total_size")
    known = size if isinstance(size, int) else None
    if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
        raise _Missing("unsupported", f"{folder / INDEX} does not list safetensors of its own folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise _Missing("weights_missing", f"{folder} lacks {len(missing)} of {len(names)} shards: {missing[0]}", known)
    return [folder / name for name in names]


def _adapter_files(folder: Path) -> list[Path]:
    weights = folder / "adapter_model.safetensors"
    if (folder / "adapter_config.json").is_file() and weights.is_file():
        return [folder / "adapter_config.json", weights]
    if any(folder.glob("adapter_model.bin")):
        raise _Missing("no_safetensors", f"{folder} has a pickled adapter only; convert it to safetensors")
    raise _Missing("adapter_missing", f"{folder} has no adapter_config.json with adapter_model.safetensors")


def _chat_template(folder: Path) -> str:
    template = folder / "chat_template.jinja"
    if template.is_file():
        return digest("chat_template", template.read_text(encoding="utf-8"))
    settings = folder / "tokenizer_config.json"
    inline = _json(settings).get("chat_template") if settings.is_file() else None
    return digest("chat_template", inline) if inline else NONE


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Missing("weights_missing", f"{path.parent} has no {path.name}") from None
    except (OSError, ValueError) as fault:
        raise _Missing("unsupported", f"{path} cannot be read: {fault}") from None
    if not isinstance(value, dict):
        raise _Missing("unsupported", f"{path} is no JSON object")
    return value
