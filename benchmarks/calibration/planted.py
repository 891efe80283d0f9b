"""benchmarks: claims on planted models, whose truth follows from how a model was built."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mi_atlas.engine.calibrate.run import Graded, audited
from mi_atlas.engine.calibrate.warm import workspace_at
from mi_atlas.engine.calibrate.worlds import Known
from mi_atlas.evaluators.planted.folder import claim_documents, save
from mi_atlas.evaluators.planted.kinds import build

TEMPLATES = 30


def graded_claims(kind: str, seed: int) -> list[Graded]:
    """Every claim of one planted model, through an audit of its own."""
    planted = build(kind, seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        save(planted, root / "model")
        documents = claim_documents(planted.truth, Path("model"))
        known = [
            Known(
                ({"claim": claim, **document},),
                f"{document['expect']['form']}, planted",
                "in_suite",
                "true" if stated.holds else "false",
                TEMPLATES,
            )
            for (claim, document), stated in zip(documents.items(), planted.truth.claims, strict=True)
        ]
        return audited(workspace_at(root), known)
