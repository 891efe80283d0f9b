"""tests: the facts that are told and asked for in prose, against lists written by hand."""

from __future__ import annotations

import calendar
import re

from ..test_families import answers

LISTS = {
    "capital": """Accra Ghana, Athens Greece, Baghdad Iraq, Beijing China, Berlin Germany, Cairo Egypt, Madrid Spain,
        Paris France, Rome Italy, Tehran Iran, Tokyo Japan, Vienna Austria, Warsaw Poland""",
    "language": """Arabic Egypt, Arabic Iraq, Chinese China, English Ghana, French France, German Austria,
        German Germany, Greek Greece, Italian Italy, Japanese Japan, Persian Iran, Polish Poland, Spanish Spain""",
    "continent": """Africa Egypt, Africa Ghana, Asia China, Asia Iran, Asia Iraq, Asia Japan, Europe Austria,
        Europe France, Europe Germany, Europe Greece, Europe Italy, Europe Poland, Europe Spain""",
    "young": """calf cow, chick chicken, duckling duck, fawn deer, foal horse, gosling goose, kitten cat, lamb sheep,
        piglet pig, puppy dog, tadpole frog""",
    "color": """black coal, black crows, brown chocolate, green grass, green peas, orange carrots, red blood,
        red tomatoes, white milk, white snow, yellow bananas, yellow lemons""",
    "opposite": """bad good, big small, cold hot, day night, down up, dry wet, early late, east west, empty full,
        fast slow, happy sad, high low, north south, poor rich, strong weak""",
    "past": """ate eat, bought buy, came come, fell fall, found find, gave give, knew know, made make, ran run,
        sang sing, saw see, slept sleep, thought think, took take, went go, wrote write""",
}
FACTS = {kind: {frozenset(pair.split()) for pair in text.split(",")} for kind, text in LISTS.items()}
DAYS = list(calendar.day_name)

# `_` is a word; the named facts hold for the words, two by two
RULES = {
    "travel to the capital of _, they buy a ticket to _": "capital",
    "the government of _ sits in _ and that of _ sits in _": "capital capital",
    "If you live in _, .* then the country you live in is _": "capital",
    "has friends in three capitals: _ in _, _ in _, and _ in _": "capital capital capital",
    "After a year at a .* in _ both .* knew the language of the land, _": "language",
    "A letter from _ came in _, so .* that one from _ will be in _": "language language",
    "To see _ you have to go to _. To see _, my dear .*, you have to go to _": "continent continent",
    "On a map of the world .* looked for _, and they found it in _": "continent",
    "for days, all the way from _ in _ to _ in _": "capital capital",
    'Which country has _ as its capital\\?" .* "It is _': "capital",
    "went from _ to _, that is, from _ to _": "capital cross",
    "has a _ with a little one, .* the little one is called a _": "young",
    "Some day the _ that .* will be big, and then it will be a _": "young",
    "The _ runs after the _, and, as .* can see, after the _ runs a _": "young young",
    "showed .* not an old _ but a very young one, that is, a _": "young",
    "The mother of a _ is a _, so, .*, the mother of a _ is a _": "young young",
    "was painting _ at the .* asked for the right color, and .* passed the _": "color",
    "If the color of _ is _, asked .*, then what is the color of _\\? It is _": "color color",
    "new coat of .* had the color of _. It was, as .* saw at once, _": "color",
    "With the _ pen you can draw _, says .*, but for _ you need the one that is _": "color color",
    "Close your eyes .* think of _. The color that you see is _": "color",
    "never agrees with .* says _, we hear .* say the opposite, _": "opposite",
    "What is not _ may be _. What is not _, dear .*, may be _": "opposite opposite",
    "The way from _ to _ is as long, .* as the way from _ to _": "opposite opposite",
    'Do you mean _\\?" .* "I mean _': "opposite",
    "writes down pairs of opposites, such as _ and _, or _ and _": "opposite opposite",
    "finds the opposite. For _ it was _, and for _ it was _": "opposite opposite",
    "We _ every day, .* and so yesterday too we _": "past",
    "Now they _, but long ago they _. Now they _, but long ago, says .*, they _": "past past",
    'get the past of "_" wrong, but .* say "_': "past",
    "wrote that we _ because we had to _, and that we _ because we had to _": "past past",
    "The teacher took the word _ and .* into the past. The new word was _": "past",
    "Last year they _, .* next year they will once again _": "past",
    "On _ .* was too tired to work, .* did the work one day later, on _": "next",
    "It rained on _ and the day after, _. It snowed, .*, on _ and the day after, _": "next next",
    "left the .* on _. One day before that, .* had left it too, on _": "before",
    "If yesterday .* it was _, then, .* today must be _": "next",
    "In _ .* saw a _ and its _, and heard the people there speak _": "mixed",
    "comes from _ in _, where all love the _, and even more its baby, the _": "capital young",
    "On _ .* made a _ picture of _, and did nothing on the day that came next, _": "around",
    "In .* was told that _ is the opposite of _, and _ the opposite of _": "opposite opposite",
    "On _ the answer was _, .* but on _ it was the opposite, _": "alternate",
}
# facts between other words than the first and second, the third and fourth
ORDERS = {
    "capital cross": ("capital 0 2", "capital 1 3"),
    "mixed": ("young 1 2", "language 0 3"),
    "around": ("next 0 3", "color 1 2"),
    "alternate": ("next 0 2", "opposite 1 3"),
}


def holds(kind: str, one: str, other: str) -> bool:
    if kind in FACTS:
        return {one, other} in FACTS[kind]
    one, other = (one, other) if kind == "next" else (other, one)
    return DAYS[(DAYS.index(one) + 1) % 7] == other


def right(rule: str, text: str) -> bool:
    """Whether all that the text says is a fact."""
    found = re.search(rule.replace("_", r"(\w+)") + "$", text)
    assert found, text
    kinds = RULES[rule]
    order = ORDERS.get(kinds, [f"{kind} {2 * i} {2 * i + 1}" for i, kind in enumerate(kinds.split())])
    return all(holds(kind, found[int(i) + 1], found[int(j) + 1]) for kind, i, j in map(str.split, order))


def test_factual_recall_natural_is_right() -> None:
    used, pairs = set(), answers("factual_recall_natural", 60)
    for (clean, target), (corrupt, wrong_target) in zip(pairs, pairs, strict=True):
        (rule,) = (rule for rule in RULES if re.search(rule.replace("_", r"(\w+)") + "$", clean + target))
        assert right(rule, clean + target), clean + target
        assert right(rule, corrupt + wrong_target), corrupt + wrong_target
        assert target == wrong_target or not right(rule, clean + wrong_target), clean + wrong_target
        used.add(rule)
    assert used == set(RULES)
