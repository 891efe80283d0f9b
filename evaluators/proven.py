"""evaluators: under what name it is remembered that a model's proofs hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import transformers

from ..specs.canonical import digest, digest_file
from ..specs.sites import SiteKind
from .models.load import LoadedModel

CODE = ("anatomy.py", "interventions.py", "models/load.py", "proofs.py", "replay/*.py", "subject.py")
"""The files of this room on which a proof rests."""


def proof_key(model: LoadedModel, kind: SiteKind) -> str:
    """What is shown where the proofs hold (64 hex digits): for a model, a kind of site, a number format, a device.

    With another state of the code, ours or torch's, it is another key, so that everything is proven again.
    """
    about = {"kind": kind, "dtype": str(model.dtype), "device": model.device.type, "code": _code_digest()}
    return digest("proof", {"model": model.located.parts, **about})


@cache
def _code_digest() -> str:
    room = Path(__file__).parent
    files = {path.relative_to(room).as_posix(): digest_file(path) for glob in CODE for path in room.glob(glob)}
    return digest("proof-sources", {"torch": torch.__version__, "transformers": transformers.__version__, **files})
