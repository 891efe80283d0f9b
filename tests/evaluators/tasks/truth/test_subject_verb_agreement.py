"""tests: the answers of subject_verb_agreement, found from the head noun of each prompt and how its plural is made."""

from __future__ import annotations

import re

from ..test_families import answers

IRREGULAR = {"men", "women", "mice", "children", "teeth", "feet"}
SEVERAL = {"all", "many", "both", "some", "few", "and"}
FORMS = {
    "be": ("is", "are"),
    "past": ("was", "were"),
    "have": ("has", "have"),
    "near": ("this", "these"),
    "it": ("it", "them"),
    "number": ("singular", "plural"),
    "count": ("one", "two"),
}
HEADS = {
    r"^The (\w+) near the \w+ in the \w+$": "be",
    r"^I know that the (\w+) with the \w+ \w+$": "be",
    r"^The (\w+) of the \w+ at the \w+$": "be",
    r"^Today, as \w+ says, the (\w+) that the \w+ saw$": "be",
    r"^Is or are\? The \w+ (\w+) under the \w+$": "be",
    r"\nA: No one\. On \w+ the (\w+)$": "be",
    r"^subject: (\w+)\nnear: \w+\nplace: \w+\nverb:$": "be",
    r'^{"noun":"(\w+)",.*"verb":"$': "be",
    r"^\w+ (?:is|are), \w+ (?:is|are), (\w+)$": "be",
    r"thinks that (\w+) of the \w+ by the \w+$": "be",
    r"^Every \w+, as you know, \w+ (and|or) \w+$": "be",
    r"^Yesterday the (\w+) behind the \w+ in the \w+$": "past",
    r"^On \w+, the (\w+) that the \w+ had bought long ago$": "past",
    r"^Last \w+ (\w+) of the \w+ - see the \w+ -$": "past",
    r"^Was or were\? .* There the (\w+)$": "past",
    r"^- tense: past\n- subject: (\w+)\n.*\n- verb:$": "past",
    r"^Once upon a time \(.*\) the (\w+) from the \w+ with the \w+$": "past",
    r'^<noun .* tense="past" .* text="(\w+)"/> verb:$': "past",
    r"^The (\w+) that lost the \w+ in the \w+ no longer$": "have",
    r"^Has or have: \w+ says the (\w+) on the \w+$": "have",
    r"^Owner: \w+; gift: \w+; \w+ writes: The (\w+)$": "have",
    r"^(\w+) of the \w+, says \w+ to me, still$": "have",
    r"\nverb\((\w+)\) =$": "have",
    r"can sing, but the (\w+) behind the \w+ now$": "have",
    r"^this or these: .*, (\w+) -$": "near",
    r"^Which (\w+) did .* I think$": "near",
    r"^\w+: I lost the (\w+) near the \w+\.\n\w+: Do you mean$": "near",
    r"^\w+ (\w+) for the \w+\? Yes! Yes! \w+ will buy$": "near",
    r"^(\w+) by the \w+, in the \w+: \w+ wants$": "it",
    r"^As for the (\w+) that the \w+ hid, on \w+ I found$": "it",
    r"took the (\w+) from the \w+ /\n\w+ gave back$": "it",
    r', number\("(\w+)"\)="$': "number",
    r"^one/two\? .* (\w+):$": "count",
}
"""Where the answer is a form: the word that decides its number."""

SUBJECTS = (
    r"^Who (is|are) here, the (\w+) or the (\w+)\? Here, \w+, \1 the$",
    r"^\w+: (is|are) in the \w+ \w+ - the (\w+)\? the (\w+)\? The$",
    r"^words = (?P<a>\w+) / (?P<b>\w+)\nthe \? (?P<verb>is|are) in the \w+ with \w+\n\? =$",
)
VERDICTS = (
    r'^\w+ wrote "the (?P<noun>\w+) (?P<verb>\w+)"\. Is it right\?$',
    r"^check\(the (?P<noun>\w+), (?P<verb>\w+)\) # \w+, \d\n->$",
    r'^In "the (?P<noun>\w+) by the \w+ (?P<verb>\w+)" the verb is right:$',
    r"\n(?P<noun>\w+) (?P<verb>\w+):$",
    r'^Do they go together: "(?P<verb>\w+)" and "the (?P<noun>\w+)"\?',
)


def several(word: str) -> bool:
    """Whether a noun is plural, or a word before nouns makes them so."""
    return word in IRREGULAR | SEVERAL or word.endswith("s")


def test_agreement_is_right() -> None:
    used = set()
    for prompt, given in answers("subject_verb_agreement", 50):
        (rule,) = [rule for rule in (*HEADS, *SUBJECTS, *VERDICTS) if re.search(rule, prompt)]
        asked = re.search(rule, prompt)
        if rule in HEADS:
            right = FORMS[HEADS[rule]][several(asked[1])]
        elif rule in SUBJECTS:
            groups = set(asked.groups())
            (verb,) = groups & {"is", "are"}
            (right,) = [noun for noun in groups - {verb} if several(noun) == (verb == "are")]
        else:
            right = "no" if several(asked["noun"]) == asked["verb"].endswith("s") else "yes"
        assert given.strip() == right, prompt + given
        used.add(rule)
    assert used == {*HEADS, *SUBJECTS, *VERDICTS}
