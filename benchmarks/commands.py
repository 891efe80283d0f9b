"""benchmarks: how long commands take beside the bare interpreter, and what a core audit costs from nothing.

Run `python benchmarks/commands.py` with the environment's python; it prints a markdown table. Take it on an
otherwise idle machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLAIM = """\
claim: x/c{number}
statement: One layer of pocket-qwen matters most to its next-token predictions.
model: pocket-qwen
suite: main-12
metric: {{evaluator: ablation, quantity: kl, sites: {{granularity: layer}}}}
counterfactual: {{intervention: zero}}
robustness: [{{intervention: mean}}, {{intervention: resample}}]
control: {{kind: matched_norm_noise, draws: 20, ratio: 1.5}}
positive_control: {{kind: skip_all_layers}}
expect: {{form: top_component, component: L{layer}, scope: in_suite}}
threshold: {{high: 0.995, medium: 0.95}}
threats: [The suite is synthetic.]
"""
PROGRAM = "from mi_atlas.engine.cli import main; main()"


def seconds(folder: Path, words: list[str], repeats: int) -> float:
    """Least wall time of a command in a folder, seconds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=False)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        empty, many = Path(name) / "empty", Path(name) / "many"
        empty.mkdir()
        (many / "claims" / "x").mkdir(parents=True)
        for number in range(250):
            text = CLAIM.format(number=number, layer=number % 6)
            (many / "claims" / "x" / f"c{number}.yaml").write_text(text)
        rows = {
            "bare `python -c ''`": seconds(empty, ["-c", ""], 10),
            "`mi-atlas --help`": seconds(empty, ["-c", PROGRAM, "--help"], 10),
            "`mi-atlas validate`, 250 claims": seconds(many, ["-c", PROGRAM, "validate"], 5),
            "`mi-atlas audit --tag core`, from nothing": seconds(empty, ["-c", PROGRAM, "audit", "--tag", "core"], 1),
            "the same again, nothing changed": seconds(empty, ["-c", PROGRAM, "audit", "--tag", "core"], 10),
        }
    print("| command | seconds |\n|---|---|")
    for what, taken in rows.items():
        print(f"| {what} | {taken:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nPeak memory of the largest of these processes: {peak:.0f} MB")


if __name__ == "__main__":
    main()
