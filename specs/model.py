"""specs: what a model is: where its weights are and how they are held."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Tag, model_validator

from .base import Name, Spec
from .references import name_or_inline


class Source(Spec):
    """Where weights come from: exactly one of `hub`, `path` and `pocket`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [k]} for k in ("hub", "path", "pocket")]})

    hub: str | None = None
    """Hugging Face id, such as Qwen/Qwen2.5-0.5B; fetched only with --download."""
    revision: str | None = None
    """Commit, branch or tag on the hub; goes with `hub` (default: main)."""
    path: str | None = None
    """Folder with config.json, safetensors and tokenizer.json; relative to the workspace."""
    pocket: str | None = None
    """A tiny trained model that ships with this package."""

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        given = [name for name in ("hub", "path", "pocket") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a source names exactly one of hub, path and pocket; this one names {given or 'none'}")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision goes with hub")
        return self


class Model(Spec):
    """A causal language model, as held in memory while it is measured."""

    model: Name | None = None
    """Name, as in the file's own name; a model written inside a claim needs none."""
    source: Source
    """Where the weights come from."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format the model runs in."""
    quantization: Literal["nf4", "int8"] | None = None
    """Weights quantised by bitsandbytes when they are loaded."""
    adapter: str | None = None
    """Folder with a PEFT adapter (safetensors), relative to the workspace."""
    notes: str | None = None
    """For people; not hashed."""


NamedModel = Annotated[Annotated[str, Tag("name")] | Annotated[Model, Tag("inline")], Discriminator(name_or_inline)]
"""A name in specs/library/models, or a model written out."""
