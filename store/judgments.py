"""store: the SQL of judges' replies and of people's labels. Both are only ever added to; the newest is served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from .rows import JudgeReply, Label, utc_now
from .runs import insert, next_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert_replies(connection: DuckDBPyConnection, replies: Sequence[JudgeReply]) -> None:
    """Add replies."""
    first, now = next_id(connection, "reply"), utc_now()
    insert(
        connection,
        "reply",
        [
            (i, r.key, r.judge, r.raw, now, r.seconds, r.tokens_in, r.tokens_out, r.attempts)
            for i, r in enumerate(replies, first)
        ],
    )


def select_replies(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, bytes]:
    """key of a question -> the newest reply; questions that were not answered are left out."""
    rows = connection.execute(
        """select key, arg_max(raw, id) from reply where key in (select unnest($1::varchar[])) group by key""",
        [list(keys)],
    ).fetchall()
    return {key: bytes(raw) for key, raw in rows}


def select_spent(connection: DuckDBPyConnection) -> dict[str, tuple[int, int, int]]:
    """judge -> replies, tokens sent and tokens received, as far as servers counted them."""
    rows = connection.execute(
        "select judge, count(*), sum(coalesce(tokens_in, 0)), sum(coalesce(tokens_out, 0)) from reply group by judge"
    ).fetchall()
    return {judge: (int(n), int(sent), int(received)) for judge, n, sent, received in rows}


def insert_labels(connection: DuckDBPyConnection, labels: Sequence[Label]) -> None:
    """Add what a person said; of an answer that has a label already the new one is served."""
    first, now = next_id(connection, "label"), utc_now()
    insert(connection, "label", [(i, *astuple(each), now) for i, each in enumerate(labels, first)])


def select_labels(
    connection: DuckDBPyConnection, keys: Iterable[str], rubric: str, dimension: str
) -> dict[str, dict[int, float]]:
    """Key of a run -> place of an answer -> its newest score by a rubric's dimension; the others are left out."""
    rows = connection.execute(
        """select key, position, arg_max(score, id) from label
           where key in (select unnest($1::varchar[])) and rubric = $2 and dimension = $3 group by all order by all""",
        [list(keys), rubric, dimension],
    ).fetchall()
    labels: dict[str, dict[int, float]] = {}
    for key, position, score in rows:
        labels.setdefault(key, {})[position] = score
    return labels
