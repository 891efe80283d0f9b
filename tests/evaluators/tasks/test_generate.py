"""tests: suites are deterministic, their draws disjoint, and what cannot be generated is said clearly."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from mi_atlas.evaluators.tasks import Block, TaskError, generate, source_digest, training_examples
from mi_atlas.evaluators.tasks.buckets import DRAWS, TRAINING, bucket
from mi_atlas.evaluators.tasks.dice import Dice
from tokenizers import Tokenizer

from .conftest import FAMILIES, core

SPLITS = ("discovery", "verification")

PROGRAM = """
import sys, json, hashlib
from itertools import islice
from tokenizers import Tokenizer
from mi_atlas.evaluators.tasks import generate, source_digest, training_examples
from mi_atlas.specs.suite import Suite

families = sys.argv[2].split(",")
suite = Suite(suite="main-12", families=tuple(families))
blocks = generate(suite, Tokenizer.from_file(sys.argv[1]), "verification", 2)
stream = repr(list(islice(training_examples(families, 5), 2000)))
print(json.dumps({
    "digests": [block.digest for block in blocks],
    "bytes": hashlib.sha256(repr(blocks).encode()).hexdigest(),
    "training": hashlib.sha256(stream.encode()).hexdigest(),
    "sources": source_digest(),
    "heavy": sorted({"torch", "transformers", "scipy", "duckdb"} & set(sys.modules)),
}))
"""


def run(program: str, *words: str, seed: str = "0", path: str = "") -> str:
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_process_gives_the_same_bytes(small: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    small.save(str(file))
    blocks = generate(core(), small, "verification", 2)
    stream = list(islice(training_examples(FAMILIES, 5), 2000))
    expected = {
        "digests": [block.digest for block in blocks],
        "bytes": hashlib.sha256(repr(blocks).encode()).hexdigest(),
        "training": hashlib.sha256(repr(stream).encode()).hexdigest(),
        "sources": source_digest(),
        "heavy": [],
    }
    for seed in ("1", "99"):
        assert json.loads(run(PROGRAM, str(file), ",".join(FAMILIES), seed=seed)) == expected


def test_importing_the_room_loads_no_tokenizer() -> None:
    assert run("import sys, mi_atlas.evaluators.tasks; print('tokenizers' in sys.modules)").strip() == "False"


def test_dice_follow_the_stream_that_python_promises() -> None:
    """Oracle: `random.Random` seeded with the sha256 of the canonical form, by hand."""
    seed = int(hashlib.sha256(b'dice\0["a",1]').hexdigest(), 16)
    stream = random.Random(seed)
    dice = Dice("a", 1)
    assert [dice.pick("abcdef") for _ in range(50)] == ["abcdef"[int(6 * stream.random())] for _ in range(50)]
    assert sorted(dice.some("abc", 3)) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="4 different items asked of 3"):
        dice.some("abc", 4)


def test_training_discovery_and_all_draws_are_disjoint(small: Tokenizer) -> None:
    blocks = {
        (split, draw): generate(core(items=30, templates=10), small, split, draw)
        for split in SPLITS
        for draw in range(1, DRAWS + 1)
    }
    cleans = Counter(
        (block.family, each.clean) for group in blocks.values() for block in group for each in block.examples
    )
    prompts = {*cleans, *((b.family, e.corrupt) for group in blocks.values() for b in group for e in b.examples)}
    trained = {(each.family, each.clean) for each in islice(training_examples(FAMILIES, 1), 40_000)}
    assert len(cleans) == 2 * DRAWS * len(FAMILIES) * 30
    assert max(cleans.values()) == 1
    assert len(trained) > 20_000
    assert not prompts & trained


def test_no_template_is_in_both_splits(small: Tokenizer) -> None:
    used = [{e.template for block in generate(core(), small, split, 1) for e in block.examples} for split in SPLITS]
    assert not used[0] & used[1]


def test_buckets_have_their_shares() -> None:
    """Expected: a half and sixteen thirty-seconds of 64,000; 5 standard deviations are 633 and 220."""
    counts = Counter(bucket("f", str(number)) for number in range(64_000))
    assert abs(counts[TRAINING] - 32_000) < 633
    assert all(abs(counts[draw] - 2000) < 220 for draw in range(1, DRAWS + 1))
    assert sum(counts.values()) == sum(counts[each] for each in range(DRAWS + 1))


def test_a_smaller_suite_is_a_prefix_of_a_larger(small: Tokenizer) -> None:
    for split in SPLITS:
        for few, many in zip(generate(core(items=60), small, split, 1), generate(core(), small, split, 1), strict=True):
            assert few.examples == many.examples[:60]


def test_fewer_templates_are_a_subset(small: Tokenizer) -> None:
    few, many = (generate(core(templates=n), small, "verification", 1)[0] for n in (10, 30))
    assert len({e.template for e in few.examples}) == 10
    assert {e.template for e in few.examples} < {e.template for e in many.examples}


def test_draws_seeds_and_splits_change_the_block(small: Tokenizer) -> None:
    def first(draw: int = 1, split: str = "verification", **changes: object) -> Block:
        return generate(core(families=["copying"], **changes), small, split, draw)[0]

    blocks = [first(), first(2), first(1, "discovery"), first(seed=1)]
    assert len({block.digest for block in blocks}) == 4
    assert first() == first()


def test_a_block_knows_where_it_is_from(small: Tokenizer) -> None:
    blocks = generate(core(), small, "verification", 3)
    assert [block.family for block in blocks] == list(FAMILIES)
    assert {(block.split, block.draw) for block in blocks} == {("verification", 3)}
    assert all(set(block.rejected) <= {"unaligned", "target_collision", "boundary", "duplicate"} for block in blocks)
    assert sum(sum(block.rejected.values()) for block in blocks) > 0


def test_an_id_is_of_the_texts_alone(tokenizers: dict[str, Tokenizer]) -> None:
    known: dict[str, tuple[str, ...]] = {}
    for tokenizer in tokenizers.values():
        for block in generate(core(), tokenizer, "verification", 1):
            for e in block.examples:
                texts = (e.family, e.template, e.clean, e.corrupt, e.target, e.wrong_target)
                assert known.setdefault(e.id, texts) == texts
                assert len(e.id) == 16
    assert len(set(known.values())) == len(known)


def test_training_examples_are_of_all_templates_and_seeds_differ() -> None:
    first, again, other = (list(islice(training_examples(FAMILIES, seed), 3000)) for seed in (0, 0, 1))
    assert first == again != other
    templates = Counter(each.template for each in first)
    assert len(templates) >= 160
    families = Counter(each.family for each in first)
    assert set(families) == set(FAMILIES)
    assert min(families.values()) > 600


@pytest.mark.parametrize(
    ("changes", "draw", "message"),
    [
        ({"families": ["copyng"]}, 1, "no task family is called `copyng`; did you mean `copying`?"),
        ({"families": ["zzz"]}, 1, "there are `arithmetic`"),
        ({}, 0, "there is no draw 0: draws are numbered 1 to 16"),
        ({}, 17, "there is no draw 17"),
        (
            {"families": ["copying"], "items": 90_000},
            1,
            r"copying/t\d\d has only \d+ unique examples for verification draw 1",
        ),
    ],
)
def test_errors_say_what_is_wrong(changes: dict[str, object], draw: int, message: str, small: Tokenizer) -> None:
    with pytest.raises(TaskError, match=message.replace("?", r"\?")):
        generate(core(**changes), small, "verification", draw)


def test_generation_is_fast(small: Tokenizer) -> None:
    """Measured: 0.4 s; the bound leaves room for a busy machine."""
    generate(core(), small, "verification", 4)
    start = time.process_time()
    generate(core(), small, "verification", 5)
    assert time.process_time() - start < 2


THIRD_PARTY = """
from mi_atlas.evaluators.tasks.example import Draft
from mi_atlas.evaluators.tasks.family import Family, register

class Shout:
    def __init__(self, word):
        self.word = word

    def draft(self, dice):
        letter, other = dice.some("ABCDEFGH", 2)
        return Draft(f"{self.word} {letter}", f" {letter}", lambda dice: (f"{self.word} {other}", f" {other}"))

register(Family.of("shouting", [Shout(word) for word in "cat dog sun box".split()]))
"""

USE = """
import sys
from tokenizers import Tokenizer
from mi_atlas.evaluators.tasks import generate, source_digest, TaskError
from mi_atlas.specs.suite import Suite

print(source_digest())
print("shouts" in sys.modules)
try:
    suite = Suite(suite="s", families=("shouting",), templates=4, items=4)
    generate(suite, Tokenizer.from_file(sys.argv[1]), "verification", 1)
except TaskError as error:
    print(error)
print("shouts" in sys.modules)
"""


def test_a_third_party_adds_a_family_by_an_entry_point(small: Tokenizer, tmp_path: Path) -> None:
    small.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "shouts.py").write_text(THIRD_PARTY)
    (tmp_path / "shouts-1.0.dist-info").mkdir()
    (tmp_path / "shouts-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: shouts\nVersion: 1.0\n")
    (tmp_path / "shouts-1.0.dist-info/entry_points.txt").write_text("[mi_atlas.families]\nshouting = shouts\n")
    sources, before, error, after = run(USE, str(tmp_path / "tokenizer.json"), path=str(tmp_path)).splitlines()
    assert error == "shouting has 3 verification templates; the suite asks for 4"
    assert (before, after) == ("False", "True")
    assert sources != source_digest()
    (tmp_path / "shouts.py").write_text(THIRD_PARTY.replace("ABCDEFGH", "ABCDEFG"))
    assert run(USE, str(tmp_path / "tokenizer.json"), path=str(tmp_path)).splitlines()[0] != sources


def test_the_source_digest_is_of_every_file_of_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mi_atlas.evaluators.tasks import sources

    (tmp_path / "families").mkdir()
    for name in ("sources.py", "families/copying.py"):
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "sources.py"))
    before = source_digest()
    assert source_digest() == before
    (tmp_path / "families/copying.py").write_text("a = 2\n")
    changed = source_digest()
    (tmp_path / "families/new.py").write_text("")
    assert len({before, changed, source_digest()}) == 3
