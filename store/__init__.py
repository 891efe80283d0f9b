"""store: the evidence ledger on DuckDB; its public names."""

from .errors import LedgerBusy, LedgerCorrupt, LedgerError, LedgerFull, LedgerReadOnly, LedgerTooNew, LedgerWrongKind
from .exchange import ExchangeError, Taken
from .ledger import Ledger
from .lock import alone, audit_lock
from .misses import Difference
from .recorded import ImportedValue
from .rows import (
    AuditInfo,
    FailedAttempt,
    FinishedRun,
    JudgeReply,
    Label,
    RecordedVerdict,
    RunInfo,
    VerdictRow,
    seen,
    utc_now,
)

__all__ = [
    "AuditInfo",
    "Difference",
    "ExchangeError",
    "FailedAttempt",
    "FinishedRun",
    "ImportedValue",
    "JudgeReply",
    "Label",
    "Ledger",
    "LedgerBusy",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerFull",
    "LedgerReadOnly",
    "LedgerTooNew",
    "LedgerWrongKind",
    "RecordedVerdict",
    "RunInfo",
    "Taken",
    "VerdictRow",
    "alone",
    "audit_lock",
    "seen",
    "utc_now",
]
