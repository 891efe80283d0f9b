"""store: the SQL of audits, their verdicts, and the memo."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .rows import AuditInfo, RecordedVerdict, VerdictRow, utc_now
from .runs import insert, next_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert_audit(connection: DuckDBPyConnection, about: Mapping[str, Any]) -> int:
    """Record that an audit has begun."""
    audit_id = next_id(connection, "audit")
    row = [audit_id, json.dumps(dict(about)), utc_now()]
    connection.execute("insert into audit (id, about, started_at) values ($1, $2, $3)", row)
    return audit_id


def close_audit(connection: DuckDBPyConnection, audit_id: int, exit_code: int) -> None:
    """Record that an audit has ended."""
    row = [audit_id, utc_now(), exit_code]
    connection.execute("update audit set finished_at = $2, exit_code = $3 where id = $1", row)


def select_audits(connection: DuckDBPyConnection) -> list[AuditInfo]:
    """Every audit, oldest first."""
    rows = connection.execute("select id, about, started_at, finished_at, exit_code from audit order by id").fetchall()
    return [AuditInfo(row[0], json.loads(row[1]), *row[2:]) for row in rows]


def insert_verdicts(connection: DuckDBPyConnection, audit_id: int, verdicts: Sequence[VerdictRow]) -> None:
    """Record the grades that an audit gave."""
    first, now, names = next_id(connection, "verdict"), utc_now(), [field.name for field in fields(VerdictRow)]
    rows = [(i, audit_id, now, *(getattr(row, name) for name in names)) for i, row in enumerate(verdicts, first)]
    insert(connection, "verdict", rows)


def select_verdicts(connection: DuckDBPyConnection, audit_id: int | None) -> dict[str, RecordedVerdict]:
    """claim -> its verdict in one audit, or with None the latest that it has."""
    rows = connection.execute(
        """select claim, claim_hash, evidence_digest, grade, code, reason, document, audit_id, recorded_at
           from verdict where $1 is null and id in (select max(id) from verdict group by claim) or audit_id = $1
           order by claim""",
        [audit_id],
    ).fetchall()
    return {row[0]: RecordedVerdict(*row) for row in rows}


def select_history(connection: DuckDBPyConnection) -> dict[str, list[RecordedVerdict]]:
    """claim -> each of its verdicts that differs from the one before in grade or digests, oldest first."""
    rows = connection.execute(
        """select claim, claim_hash, evidence_digest, grade, code, reason, document, audit_id, recorded_at
           from verdict
           qualify (claim_hash, evidence_digest, grade) is distinct from
                   lag((claim_hash, evidence_digest, grade)) over (partition by claim order by id)
           order by claim, id"""
    ).fetchall()
    history: dict[str, list[RecordedVerdict]] = {}
    for row in rows:
        history.setdefault(row[0], []).append(RecordedVerdict(*row))
    return history


def upsert_memo(connection: DuckDBPyConnection, kind: str, values: Mapping[str, str]) -> None:
    """Remember what was computed; a newer value takes the place of an older one."""
    connection.execute(
        "insert or replace into memo select $1, unnest($2::varchar[]), unnest($3::varchar[])",
        [kind, list(values), list(values.values())],
    )


def select_memo_kind(connection: DuckDBPyConnection, kind: str) -> dict[str, str]:
    """key -> what was remembered, for every key of a kind."""
    return dict(connection.execute("select key, value from memo where kind = $1", [kind]).fetchall())


def select_memo(connection: DuckDBPyConnection, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """key -> what was remembered; the others are left out."""
    rows = connection.execute(
        "select key, value from memo where kind = $1 and key in (select unnest($2::varchar[]))", [kind, list(keys)]
    ).fetchall()
    return dict(rows)
