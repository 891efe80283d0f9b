"""tests: a judge on a real server of this machine that knows the gate's answers, and a claim that it judges."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mi_atlas.judges.gate import BUILT_IN

from ..judges.server import Fake, completion
from .conftest import Desk

WORDS = ("alpha", "beta", "gamma", "delta", "omega")


def told(asked: Mapping[str, Any], part: str) -> str:
    """What stands between the marks of a part of the question."""
    found = re.search(rf"<{part}-(\w+)>\n(.*?)\n</{part}-\1>", asked["messages"][-1]["content"], re.DOTALL)
    return found[2] if found else ""


class Knowing(Fake):
    """A judge that knows the gate's answers, and thinks that all others are middling."""

    def _reply(self, way: str, asked: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if way != "well":
            return super()._reply(way, asked, headers)
        return 200, {}, completion(json.dumps({"scores": self.scores(told(asked, "task"), told(asked, "answer"))}))

    def scores(self, task: str, answer: str) -> dict[str, int]:
        gold = {(one.prompt, one.answer.strip()): one.labels.get("overall", 3) for one in BUILT_IN.gold}
        right = {(one.prompt, one.right.strip()) for one in BUILT_IN.anchors}
        gate = {prompt for prompt, _ in gold} | {one.prompt for one in (*BUILT_IN.anchors, *BUILT_IN.canaries)}
        known = {**gold, **dict.fromkeys(right, 5)}
        return {"overall": int(known.get((task, answer.strip()), 1 if task in gate else 3))}


def judge(family: str, **changes: Any) -> dict[str, Any]:
    rubric = {"dimensions": [{"name": "overall", "asks": "How good is the answer?"}]}
    sampling = {"temperature": 0.0, "draws": 1}
    where = {"endpoint_env": f"{family.upper()}_URL", "api_key_env": f"{family.upper()}_KEY"}
    return {"model": f"{family}-model", "family": family, "rubric": rubric, "sampling": sampling, **where, **changes}


def judged(desk: Desk, *judges: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A claim that answers of the small model are middling at least; the set has 30 questions."""
    rows = [
        {"id": f"q{n}", "category": "words", "turns": [f"Say {WORDS[n % 5]} {n}."], "checks": []} for n in range(30)
    ]
    (desk.root / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    behaviour = {"categories": ["words"], "items": 30, "jsonl": "questions.jsonl", "decided_by": "judge"}
    return {
        "statement": "What the small model says is middling at least.",
        "model": "small",
        "suite": {"behaviour": behaviour},
        "metric": {"evaluator": "judged", "quantity": "score", "judges": list(judges)},
        "counterfactual": {"intervention": "generate", "tokens": 4},
        "control": {"kind": "permuted_conditions", "draws": 20, "ratio": 1.2},
        "expect": {"form": "threshold", "component": "as_is", "at_least": 2.0},
        "threshold": {"high": 0.995, "medium": 0.95},
        **changes,
    }
