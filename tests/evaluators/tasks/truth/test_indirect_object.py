"""tests: in indirect_object the answer is the person who is named less often."""

from __future__ import annotations

import re
from collections import Counter

from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.family import find_family

from ..test_families import answers, drafts

PEOPLE = re.compile(r"\b(?:Anna|Ben|Carl|Dora|Emma|Gina|Hugo|Ivan|Jane|Lena|Nora|Omar|Paul|Sam|Tom|Vera)\b")


def test_indirect_object_is_who_is_named_less_often() -> None:
    for prompt, answer in answers("indirect_object", 50):
        (_, often), (other, seldom) = Counter(PEOPLE.findall(prompt)).most_common()
        assert often > seldom, prompt
        assert answer.strip() == other, prompt


def test_twin_repeats_the_other_person() -> None:
    """A B A: B and A B B: A, by halves; the twin differs in nothing but who is named again."""
    dice, orders = Dice("orders"), Counter()
    for template, draft in drafts("indirect_object", 60):
        corrupt, wrong_target = draft.twin(dice)
        assert PEOPLE.sub("_", corrupt) == PEOPLE.sub("_", draft.clean)
        names = PEOPLE.findall(draft.clean)
        pairs = zip(names, PEOPLE.findall(corrupt), strict=True)
        assert {pair for pair in pairs if len(set(pair)) == 2} == {(wrong_target.strip(), draft.target.strip())}
        orders[template, names.index(draft.target.strip())] += 1
    assert len(orders) == 2 * len(find_family("indirect_object").templates)
    assert min(orders.values()) >= 12
