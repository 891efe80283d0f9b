"""engine: the evidence of one claim, as the grade reads it. Nothing here imports numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ...specs.interventions import label, word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .judged import Judging

    Floats = NDArray[np.float64]

Origin = Literal["measured", "recorded", "simulated", "mock"]


class Ref(NamedTuple):
    """One series a form needs: an intervention at a site."""

    intervention: str | None
    """None: the value of the arm that is read (the counterfactual, or a robustness value)."""
    site: str
    """A label such as `L3.mlp`."""


class Absent(NamedTuple):
    """Why an arm could not be had."""

    code: str
    """A slug, such as `weights_missing`."""
    message: str
    """One line, for a person."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Per-example values of everything a claim was measured on; every array runs over the same n raw examples."""

    families: tuple[str, ...]
    """Task family of each example; with `templates` the unit of replication."""
    templates: tuple[str, ...]
    examples: tuple[str, ...]
    """Content ids; two equal ids are one example."""
    effects: Mapping[tuple[str, str], Floats]
    """(intervention label, site label) -> the claim's quantity, in its unit."""
    control: Mapping[tuple[str, str, int], Floats]
    """(intervention label the draw stands in for, site label, draw) -> the claim's quantity."""
    positive: Floats | None
    """KL under the positive control, nats."""
    noise: Floats | None
    """KL of the clean pass against itself at another batch shape, nats: what the numerics alone do."""
    absent: Mapping[str, Absent]
    """Arm (main, clean, control, positive_control, robustness.<label>) -> why it could not be had."""
    look: int
    """How often this claim has been looked at on new evidence, from 1."""
    registered_before_data: bool
    origin: Origin
    sweep: tuple[str, ...]
    """Labels of the components that the claim compares in this model."""
    dtype: str
    """Number format the model ran in, such as float32."""
    denominators: Mapping[tuple[str, str], Floats] = field(default_factory=dict)
    """Of a share: place of an effect -> what its values are a share of."""
    companions: Mapping[tuple[str, str, str], Floats] = field(default_factory=dict)
    """(name, intervention label, site label) -> another number of the same runs, for forms that ask for it."""
    marks: Mapping[int, str] = field(default_factory=dict)
    """Repetition (training, session) -> digest of all that was measured in it: equal ones are one."""
    draw_marks: Mapping[int, str] = field(default_factory=dict)
    """The same of the control's draws, where they are repetitions too."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why examples do not count -> how many of the suite's."""
    judging: Judging | None = None
    """Who judged the effects, where judges did; those that were not scored are NaN then."""

    @classmethod
    def of_map(
        cls,
        rows: Iterable[tuple[str, str, str]],
        effects: Mapping[tuple[str, str], Floats],
        dtype: str,
        noise: Floats | None = None,
    ) -> Evidence:
        """A map's values as any claim's evidence is, from (family, template, example) rows; nothing is graded on it."""
        families, templates, examples = zip(*rows, strict=True)
        return cls(
            families=families,
            templates=templates,
            examples=examples,
            effects=effects,
            control={},
            positive=None,
            noise=noise,
            absent={},
            look=1,
            registered_before_data=False,
            origin="measured",
            sweep=tuple(site for _, site in effects),
            dtype=dtype,
        )


def intervention_label(value: Any) -> str:
    """How evidence names an intervention spec."""
    return label(word(value), getattr(value, "seed", 0))
