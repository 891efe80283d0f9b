"""engine: results of functions of arrays, remembered by what the arrays hold. Imported only when grading.

Claims that differ in their bound ask the same of the same numbers, and are not graded one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from .evidence import Floats

P = ParamSpec("P")
T = TypeVar("T")


class Content(NamedTuple):
    """An array that can be looked up."""

    data: bytes
    shape: tuple[int, ...]

    @classmethod
    def of(cls, value: Any) -> Any:
        """Of an array; any other value is itself."""
        return cls(value.astype(float, copy=False).tobytes(), value.shape) if isinstance(value, np.ndarray) else value

    @property
    def array(self) -> Floats:
        """It again, in C order; it cannot be written to."""
        return np.frombuffer(self.data).reshape(self.shape)


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator of a pure function of arrays and hashable values, given by position: the latest results are kept.

    They are shared, so nobody may change one.
    """

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        @lru_cache(maxsize=most)
        def known(*content: Any) -> T:
            result = function(*(each.array if isinstance(each, Content) else each for each in content))
            if isinstance(result, np.ndarray):
                result.flags.writeable = False
            return result

        @wraps(function)
        def remember(*values: Any) -> T:
            return known(*map(Content.of, values))

        return remember

    return decorate
