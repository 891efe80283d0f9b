"""engine: numbers in words a person reads. Nothing here imports numpy."""

from __future__ import annotations


def number(value: float, digits: int = 2) -> str:
    """Two significant digits, or all before the point: `3.1`, `0.021`, `-120`."""
    if 100 <= abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def quantity(value: float, unit: str, digits: int = 2) -> str:
    """`3.1x`, `0.021 nats`."""
    shown = number(value, digits)
    return f"{shown}x" if unit == "x" else f"{shown} {unit}".rstrip()


def against(value: float, bound: float, unit: str) -> tuple[str, str]:
    """A value and the bound it is held against, with as many digits as it takes to stay on its side of it."""
    rounded = ((float(number(value, digits)), digits) for digits in range(2, 7))
    digits = next((digits for near, digits in rounded if (near > bound) == (value > bound) and near != bound), 6)
    return quantity(value, unit, digits), quantity(bound, unit, 6)


def confidence(alpha: float) -> str:
    """One-sided alpha as a confidence: `99.5%`."""
    return f"{100 * (1 - alpha):.4g}%"


def probability(p: float) -> str:
    """`.003`, `< .0001`."""
    return "< .0001" if p < 1e-4 else f"= {p:.2g}".replace("0.", ".")


def component(label: str) -> str:
    """A component; of more than four sites the first and how many others: `L0.head0 and 23 others`."""
    sites, at, positions = label.partition("@")
    first, *others = sites.split("+")
    return label if len(others) < 4 else f"{first} and {len(others)} others{at}{positions}"


def several(names: tuple[str, ...] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
