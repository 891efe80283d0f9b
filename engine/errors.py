"""engine: errors that end a command, each with its exit code.

EngineError
+-- UsageError      3: the command's own words are wrong
+-- MachineError    4: the machine or the network failed
"""

from __future__ import annotations


class EngineError(Exception):
    """Ends the command with `exit_code` and its text, no traceback."""

    exit_code = 4


class UsageError(EngineError):
    """What was typed cannot be done; the text says what can."""

    exit_code = 3


class MachineError(EngineError):
    """Something outside the claims failed: disk, memory, network, another process."""

    exit_code = 4
