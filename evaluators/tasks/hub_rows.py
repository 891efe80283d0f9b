"""evaluators/tasks: rows from a dataset of the Hugging Face hub, as it lies in the local cache at one commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...specs.suite import Dataset
from .errors import TaskError
from .rows import Row


def dataset_rows(dataset: Dataset) -> dict[int, Any]:
    """Number of the row, from 1 -> its fields under our names; columns that no field is named after are left out.

    Raises:
        TaskError: the library or the data are not here, or the data have no such subset, split or column.
    """
    try:
        import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise TaskError(f"{dataset.hub} needs the library `datasets`: pip install 'mi-atlas[datasets]'") from None
    try:
        table = datasets.load_dataset(str(_snapshot(dataset)), dataset.subset, split=dataset.split)
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        raise TaskError(f"{dataset.hub} cannot be read: {str(error).splitlines()[0]}") from error
    if missing := sorted(set(dataset.columns.values()) - set(table.column_names)):
        raise TaskError(f"{dataset.hub} has no column `{missing[0]}`; it has {', '.join(sorted(table.column_names))}")
    columns = {name: name for name in Row.model_fields if name in table.column_names} | dict(dataset.columns)
    constant = {} if "family" in columns else {"family": dataset.hub.rpartition("/")[2]}
    return {
        number: constant | {field: row[column] for field, column in columns.items() if row[column] is not None}
        for number, row in enumerate(table, 1)
    }


def _snapshot(dataset: Dataset) -> Path:
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"datasets--{dataset.hub.replace('/', '--')}"
    folder = repository / "snapshots" / dataset.revision
    if not folder.is_dir():
        fetch = f"hf download --repo-type dataset {dataset.hub} --revision {dataset.revision}"
        raise TaskError(f"{dataset.hub} at {dataset.revision[:12]} is not on this machine; `{fetch}` fetches it")
    return folder
