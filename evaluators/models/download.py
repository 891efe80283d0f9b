"""evaluators/models: fetching a model from the hub. Nothing is fetched unless a person asks for it."""

from __future__ import annotations

from pathlib import Path

from ...specs.model import Model

WANTED = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""Weights and text only: no pickled weights, no code."""


class DownloadError(Exception):
    """A model could not be fetched; the text says why and what would help."""


def download(model: Model) -> Path:
    """Fetch a model's safetensors, config and tokenizer into the local Hugging Face cache; gives their folder.

    Raises:
        DownloadError: not on the hub, not reachable, not allowed, or without safetensors.
    """
    from huggingface_hub import errors, snapshot_download

    hub = model.source.hub
    if hub is None:
        raise DownloadError(f"{model.model} does not come from the hub: there is nothing to fetch")
    place = f"{hub}, revision {model.source.revision or 'main'}"
    try:
        folder = Path(snapshot_download(hub, revision=model.source.revision, allow_patterns=list(WANTED)))
    except errors.GatedRepoError:
        raise DownloadError(f"{place}: its owner asks for consent; accept the terms on its page and log in") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise DownloadError(f"{place}: no such model on the hub, or private") from None
    except errors.RevisionNotFoundError:
        raise DownloadError(f"{place}: no such revision") from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError):
        raise DownloadError(f"{place}: the hub cannot be reached from here") from None
    except (errors.HTTPError, OSError) as fault:  # type: ignore[attr-defined]
        raise DownloadError(f"{place}: {_first_line(fault)}") from None
    if not any(folder.glob("*.safetensors")):
        raise DownloadError(f"{place}: has no safetensors; pickled weights are not loaded")
    return folder


def _first_line(fault: Exception) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0]
