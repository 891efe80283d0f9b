"""benchmarks: a benchmark's result as a markdown table."""

from __future__ import annotations

from typing import Any


def table(report: dict[str, Any]) -> str:
    """One row a workload and way: seconds, how they compare with plain hooks and the limit, memory."""
    speed, clock = report["flops_per_second"], report["clock"]
    unit = "thread" if report["threads"] == 1 else "threads"
    head = (
        f"{report['shape']} with {report['layers']} layers, {report['dtype']}, {report['device']}, {report['threads']} "
        f"{unit}, torch {report['versions']['torch']}, transformers {report['versions']['transformers']}. "
        f"The limit is the least arithmetic at the best measured rate, {speed / 1e9:.0f} GFLOP/s. Ratios are "
        f"of {'CPU s' if clock == 'cpu_seconds' else 's'}. Memory is beside what was in use before.\n\n"
    )
    columns = ("workload", "way", "s", "CPU s", "plain hooks / this", "this / limit", "peak MB")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, entry in report["workloads"].items():
        plain = entry["ways"]["plain hooks"].get(clock)
        limit = entry["flops"] / speed
        lines.append(f"| **{name}** | {entry['what']} | {limit:.2f} | | | 1 | |")
        for label, result in entry["ways"].items():
            if "unable" in result:
                lines.append(f"| | {label} | {result['unable']} | | | | |")
                continue
            taken, peak = result[clock], result["peak_bytes"] / 1e6
            ratios = f"{plain / taken:.2f} | {taken / limit:.2f}"
            lines.append(
                f"| | {label} | {result['seconds']:.2f} | {result['cpu_seconds']:.2f} | {ratios} | {peak:.0f} |"
            )
    return head + "\n".join(lines) + "\n"
