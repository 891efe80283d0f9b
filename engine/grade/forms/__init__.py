"""engine: the forms of claims: which series each needs, and how it is decided. One file a form; it registers itself.

Nothing here imports numpy, so that claims are resolved without it; the statistics import it when they run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from ....specs.kinds import load_plugins

if TYPE_CHECKING:
    from ....specs.claim import CompositeClaim, MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats, Ref
    from ..question import Arm, Fault, Question
    from ..verdict import Condition, Verdict

ENTRY_POINTS = "mi_atlas.engine"


class FormError(Exception):
    """A claim that its form cannot decide on this model, whatever the data; `code` is a slug."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Form(ABC):
    """A form of measured claims. Every method may raise FormError."""

    COUNTS: ClassVar[bool] = False
    """Whether the values are or may be 0 and 1: for such values to agree is no sign of a clone."""

    UNIT: ClassVar[str | None] = None
    """What is counted as one, where it is neither template nor family nor repetition."""

    @abstractmethod
    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The series each arm needs, of all components of the sweep in this model."""

    @abstractmethod
    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The series control draws stand in for."""

    def companions(self, claim: MeasuredClaim) -> tuple[str, ...]:
        """Numbers of the same runs that the form needs beside the claim's quantity: none."""
        return ()

    @abstractmethod
    def question(self, arm: Arm) -> Question:
        """The contrasts that must clear the bound."""

    @abstractmethod
    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The effect (templates,) and what the control draws make of it (draws, templates), on the claim's scale."""

    @abstractmethod
    def degenerate(self, arm: Arm) -> Fault | None:
        """What makes this arm no evidence at all."""

    @abstractmethod
    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The estimate in words: `L0 is 3.1x its strongest rival L1`."""

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """One arm's statistics: those of the question's means, unless the form has its own."""
        from ..answer import answer

        return answer(self.asked(arm), arm.table.layout, beyond, alphas)

    def asked(self, arm: Arm) -> Question:
        """The question of an arm, over all its repetitions."""
        from ..repeated import pooled

        return pooled(arm, self.question)

    def conditions(self, arm: Arm, alphas: Alphas) -> Iterator[Condition]:
        """Conditions of High of the form's own: none."""
        yield from ()

    def counted_out(self, arm: Arm) -> str | None:
        """What contradicts the claim by a count that needs no test, in words: nothing."""
        return None

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """What leaves a claim that is not refuted undecided, whatever its contrasts say: nothing."""
        return None

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The finding of a claim that is refuted, such as `L3 is 0.4x L0`: the same words."""
        return self.finding(claim, answer)

    def negative(self, claim: MeasuredClaim) -> bool:
        """Whether the claim is a negative result: no."""
        return False


class CompositeForm(Protocol):
    """A form of claims over other claims."""

    def grade(self, claim: CompositeClaim, children: Sequence[tuple[MeasuredClaim, Verdict]]) -> Verdict:
        """The verdict that follows from the children's."""


T = TypeVar("T")

_forms: dict[str, Any] = {}


def form(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: register an instance as the form of this name.

    Raises:
        ValueError: the name is taken.
    """

    def register(cls: type[T]) -> type[T]:
        if name in _forms:
            raise ValueError(f"form `{name}` is registered twice: {type(_forms[name])} and {cls}")
        _forms[name] = cls()
        return cls

    return register


def find_form(name: str) -> Any:
    """The form of this name (a Form or a CompositeForm): from the file of its name here, or from another package.

    Raises:
        FormError: nobody registered it.
    """
    if name not in _forms and find_spec(f"{__name__}.{name}") is not None:
        import_module(f"{__name__}.{name}")
    if name not in _forms:
        load_plugins(ENTRY_POINTS)
    if name not in _forms:
        raise FormError("form_unknown", f"form `{name}` has a spec, but no rule that grades it")
    return _forms[name]


def require_component(label: str, sweep: tuple[str, ...]) -> None:
    """Refuse a component that the sweep does not have in this model.

    Raises:
        FormError: there is no such component.
    """
    if label not in sweep:
        has = f"{len(sweep)} components, from {sweep[0]} to {sweep[-1]}" if sweep else "no component"
        raise FormError("no_such_component", f"{label} does not exist: in this model the sweep has {has}")
