"""benchmarks: a benchmark's result as a markdown table."""

from __future__ import annotations

from typing import Any


def table(report: dict[str, Any]) -> str:
    """One row a workload and way: seconds, how they compare with plain hooks and the limit, memory."""
    speed = report["flops_per_second"]
    unit = "thread" if report["threads"] == 1 else "threads"
    head = (
        f"{report['shape']} with {report['layers']} layers, {report['dtype']}, {report['device']}, {report['threads']} "
        f"{unit}, torch {report['versions']['torch']}, transformers {report['versions']['transformers']}. "
        f"The limit is the least arithmetic at the best measured rate, {speed / 1e9:.0f} GFLOP/s. Where s is far above "
        "CPU s on one thread, the machine was busy with other work. Memory is beside what was in use before.\n\n"
    )
    columns = ("workload", "way", "s", "CPU s", "plain hooks / this", "this / limit", "peak MB")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, entry in report["workloads"].items():
        plain = entry["ways"]["plain hooks"].get("seconds")
        limit = entry["flops"] / speed
        lines.append(f"| **{name}** | {entry['what']} | {limit:.2f} | | | 1 | |")
        for label, result in entry["ways"].items():
            if "unable" in result:
                lines.append(f"| | {label} | {result['unable']} | | | | |")
                continue
            seconds, peak = result["seconds"], result["peak_bytes"] / 1e6
            ratio = f"{plain / seconds:.2f}" if plain else ""
            cpu = result["cpu_seconds"]
            lines.append(f"| | {label} | {seconds:.2f} | {cpu:.2f} | {ratio} | {seconds / limit:.2f} | {peak:.0f} |")
    return head + "\n".join(lines) + "\n"
