"""evaluators/planted: the registry: build one model of a kind, and prove that it is what it says."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from .. import proofs
from . import KINDS
from .model import Planted
from .proof import Measured, prove_claims


class Kind(Protocol):
    """What the file of a kind offers."""

    def build(self, seed: int) -> Planted:
        """Another model for every seed, the same one for the same seed."""

    def prove(self, planted: Planted, measured: Measured) -> None:
        """Check what only this kind states, its facts."""


def find_kind(kind: str) -> Kind:
    """The file of a kind.

    Raises:
        LookupError: there is none of that name.
    """
    if kind not in KINDS:
        raise LookupError(f"nothing is planted as `{kind}`; there are {', '.join(KINDS)}")
    return cast(Kind, import_module(f".{kind}", __package__))


def build(kind: str, seed: int) -> Planted:
    """A model of known structure: float32, evaluation mode, on the CPU."""
    return find_kind(kind).build(seed)


def prove(planted: Planted) -> None:
    """Check, by interventions on fresh prompts, everything that the model's truth states.

    Raises:
        NotAsPlanted: the structure is not what the truth says.
        NotEvaluated: the model fails a proof that every model must pass.
    """
    measured = Measured(planted)
    proofs.prove(planted.loaded(), measured.block.examples[:2])
    prove_claims(planted, measured)
    find_kind(planted.kind).prove(planted, measured)
