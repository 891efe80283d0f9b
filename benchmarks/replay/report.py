"""benchmarks: a benchmark's result as a page of markdown."""

from __future__ import annotations

from typing import Any

OURS, PLAIN = "replay", "plain hooks"


def page(report: dict[str, Any]) -> str:
    """The whole page, from what was measured so far."""
    parts = [_head(report), _summary(report), _ways(report)]
    parts += [_sweep(name, sweep, report) for name, sweep in report["sweeps"].items() if sweep["points"]]
    return "\n\n".join(parts) + "\n"


def _head(report: dict[str, Any]) -> str:
    clock = "CPU seconds" if report["clock"] == "cpu_seconds" else "seconds"
    unit = "thread" if report["threads"] == 1 else "threads"
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    gone = f" Not installed, so not measured: {', '.join(report['missing'])}." if report["missing"] else ""
    return (
        f"# Performance\n\nWritten by `{report['command']}` on {report['date']}; not by hand.\n\n"
        f"Many interventions on many prompts, KL(clean || intervened) at the last position. The model has the shape of "
        f"{report['shape']} with {report['layers']} layers and random weights. {report['dtype']}, {report['device']}, "
        f"{report['threads']} {unit}; {versions}. Ratios are of {clock}, the least of {report['repeats']}. Memory is "
        f"what came on top of what was in use before.\n\n"
        f"The limit is the least arithmetic that the numbers take, at the best rate this machine was measured to reach "
        f"on one layer's chain of matrices, {report['flops_per_second'] / 1e9:.0f} GFLOP/s. Every other way is one "
        f"forward pass an intervention, written as its library's users write it, prompts of equal length in one batch. "
        f"A way counts only where its numbers are those of plain hooks.{gone}"
    )


def _summary(report: dict[str, Any]) -> str:
    """The engine on every workload, against the others."""
    columns = ("workload", "s", "plain hooks / replay", "fastest other / replay", "replay / limit", "MB")
    lines = []
    for name, entry in report["workloads"].items():
        ways = {label: way for label, way in entry["ways"].items() if "unable" not in way}
        if OURS not in ways:
            continue
        mine = ways[OURS][report["clock"]]
        others = {label: way[report["clock"]] / mine for label, way in ways.items() if label != OURS}
        if not others:
            continue
        fastest = min(others, key=others.__getitem__)
        plain = f"{others[PLAIN]:.2f}" if PLAIN in others else "-"
        limit = mine * report["flops_per_second"] / entry["flops"]
        lines.append(
            f"| {name}: {entry['what']} | {mine:.3g} | {plain} | {others[fastest]:.2f} ({fastest}) | {limit:.2f} "
            f"| {_megabytes(ways[OURS])} |"
        )
    return "## The engine against the others\n\n" + _table(columns, lines)


def _ways(report: dict[str, Any]) -> str:
    columns = ("workload", "way", "s", "CPU s", "plain hooks / this", "this / limit", "MB", "difference")
    lines = []
    for name, entry in report["workloads"].items():
        limit = entry["flops"] / report["flops_per_second"]
        lines.append(f"| **{name}** | limit, {entry['flops'] / 1e12:.3g} TFLOP | {limit:.3g} | | | 1 | | |")
        plain = entry["ways"].get(PLAIN, {}).get(report["clock"])
        for label, way in entry["ways"].items():
            if "unable" in way:
                lines.append(f"| | {label} | {way['unable']} | | | | | |")
                continue
            taken = way[report["clock"]]
            ratio = f"{plain / taken:.2f}" if plain else "-"
            lines.append(
                f"| | {label} | {way['seconds']:.3g} | {way['cpu_seconds']:.3g} | {ratio} | {taken / limit:.2f} "
                f"| {_megabytes(way)} | {way['gap']:.0e} |"
            )
    text = "The difference to plain hooks is the largest in KL, relative to the largest KL of the workload."
    return f"## Every way\n\n{text}\n\n" + _table(columns, lines)


def _sweep(name: str, sweep: dict[str, Any], report: dict[str, Any]) -> str:
    columns = (name, "interventions", "plain hooks s", "replay s", "plain hooks / replay", "replay / limit", "MB")
    clock, lines, taken = report["clock"], [], []
    for point in sweep["points"]:
        plain, mine = (point["ways"].get(label, {}).get(clock) for label in (PLAIN, OURS))
        if plain is None or mine is None:
            continue
        limit = mine * report["flops_per_second"] / point["flops"]
        memory = _megabytes(point["ways"][OURS])
        taken.append((point["value"], plain, mine))
        lines.append(
            f"| {point['value']} | {point['interventions']} | {plain:.3g} | {mine:.3g} "
            f"| {plain / mine:.2f} | {limit:.2f} | {memory} |"
        )
    text = f"{sweep['fixed'][0].upper()}{sweep['fixed'][1:]}."
    if len(taken) > 1:
        (first, plain, mine), (last, plains, mines) = taken[0], taken[-1]
        text += (
            f" From {first} to {last} (x{last / first:.3g}) plain hooks take {plains / plain:.3g} times as long, "
            f"replay {mines / mine:.3g} times."
        )
    return f"## Cost against {name}\n\n{text}\n\n" + _table(columns, lines)


def _table(columns: tuple[str, ...], lines: list[str]) -> str:
    return "\n".join([f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines])


def _megabytes(way: dict[str, Any]) -> str:
    return "-" if way["peak_bytes"] is None else f"{way['peak_bytes'] / 1e6:.0f}"
