"""judges: what can go wrong with one call, so that the lower layers' errors are mapped at one boundary.

JudgeError
  NotConfigured        judge_not_configured  the variables name no server
  CallFailed
    Unreachable        judge_unreachable     no connection
    Refused            judge_refused         401, 403
    Redirected         judge_redirected      sent elsewhere
    Rejected           judge_rejected        another 4xx
    Crowded            judge_failed          429, 503, 529, or no reply in time
    Failed             judge_failed          another 5xx, a broken connection, no completion
    TooLong            judge_too_long        more bytes than allowed
"""

from __future__ import annotations

from typing import ClassVar

DEADLINE, BUDGET = "judge_deadline", "judge_budget"
"""Codes of questions that were not asked, or not again, since time or budget was used up."""


class JudgeError(Exception):
    """A judge that gave no reply; `code` is for programs, `reason` for people, and neither holds a credential."""

    code: ClassVar[str]

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotConfigured(JudgeError):
    """The environment names no usable server."""

    code = "judge_not_configured"


class CallFailed(JudgeError):
    """One call gave no completion."""

    again: ClassVar[bool] = True
    """Whether the same call may succeed later."""
    shared: bool = True
    """Whether it says something of the server, and so of the questions that come next."""


class Unreachable(CallFailed):
    """No connection to the server."""

    code = "judge_unreachable"


class Refused(CallFailed):
    """The server wants another key, or none at all from here."""

    code = "judge_refused"
    again = False


class Redirected(CallFailed):
    """The server sends the call to another place, which is not followed."""

    code = "judge_redirected"
    again = False


class Rejected(CallFailed):
    """The server does not accept this request; `said` is what it said, cleaned."""

    code = "judge_rejected"
    again = False

    def __init__(self, reason: str, said: str, shared: bool = False) -> None:
        super().__init__(reason)
        self.said, self.shared = said, shared


class Crowded(CallFailed):
    """The server has too much to do; `pause` is how many seconds it asks for, if it says."""

    code = "judge_failed"

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Failed(CallFailed):
    """The server broke, or what came is no completion."""

    code = "judge_failed"


class TooLong(CallFailed):
    """The reply is larger than allowed; it was not read to its end."""

    code = "judge_too_long"
    shared = False
