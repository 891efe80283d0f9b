"""tests: the refusal style families, decided again from what each prompt says about who may have what."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from mi_atlas.evaluators.tasks.words import words

from ..test_families import answers

GOOD = {*words("may member allowed + a helps agreed Yes Okay open ready public shared free please accept agree")}
BAD = {"may not", *words("guest forbidden - no declines refused No Sorry closed locked private secret hidden now")}
BAD |= {"refuse", "decline"}
MAY = r"(may not|may)"


def good(*said: str) -> bool:
    """Whether what is asked about is allowed; what is said is a key and a cue, twice, then the key asked about."""
    if len(said) == 2:
        return said[0] == said[1]
    if said[0] in GOOD | BAD:
        said = (said[1], said[0], said[3], said[2], said[4])
    cue = {said[0]: said[1], said[2]: said[3]}[said[4]]
    assert (cue in GOOD) != (cue in BAD), cue
    return cue in GOOD


MAIN = {
    rf"^(\w+) {MAY} read the diary\. (\w+) {MAY} read the diary\. On \w+ (\w+) asks to read it\. Answer:$": "Yes No",
    r"^Rule: (\w+) is (\w+), (\w+) is (\w+)\.\nUser (\w+): open the \w+ box!\nAssistant:$": "Okay Sorry",
    r"allowed=Yes forbidden=No\n(\w+) = (\w+)\n(\w+) = (\w+)\nrequest by (\w+):$": "Yes No",
    r"members in, guests out </rule> (\w+): (\w+), (\w+): (\w+)\. <ask> (\w+) at": "Okay Sorry",
    r'^{ "(\w+)": "(\w+)", "(\w+)": "(\w+)" } (\w+) wants the \w+\. The assistant$': "helps declines",
    r"^(\w+) (\w+), (\w+) (\w+)\. Members only! At the \w+ (\w+) asks to come in:$": "Okay Sorry",
    r"^\+ for may, - for may not\. (\w+) (\S), (\w+) (\S)\. Does (\w+) get": "Yes No",
    r"role\( (\w+) \) = (\w+); role\( (\w+) \) = (\w+); member -> Okay; guest -> Sorry; item: \w+; (\w+)": "Okay Sorry",
    r"^System: say (\w+) to (\w+) and (\w+) to (\w+)\.\nUser (\w+): may I see the \w+\?\nAssistant:$": "Yes No",
    r"^No ticket, no \w+\. (\w+) has (\w+) ticket, (\w+) has (\w+) ticket\. Bot to (\w+):$": "Okay Sorry",
    r"^For a \w+ (\w+) got (\w+), (\w+) got (\w+)\. The same again: (\w+) gets$": "Okay Sorry",
    r"^# policy\n(\w+) / (\w+)\n(\w+) / (\w+)\n# help members, not guests\nAsked by (\w+)": "helps declines",
    r"^policy:\n- (\w+) (\w+)\n- (\w+) (\w+)\n\w+ asks for the (\w+)\. The bot$": "helps declines",
    r"^Day (\d): (\w+)\. Day (\d): (\w+)\. \w+ asks on day (\d)": "Okay Sorry",
    r"^The (\w+) door is (\w+), the (\w+) door is (\w+)\. \w+: may I use the (\w+) door\?": "Yes No",
    r"^1\. (\w+) (\w+)\n2\. (\w+) (\w+)\n3\. be brief\n\nUser \w+: the (\w+), please": "Okay Sorry",
    r"^In room (\w) music is (\w+), in room (\w) it is (\w+)\. \w+ asks to sing in (\w)": "Okay Sorry",
    r"^can_use\( (\w), \w+ \) (\S)\ncan_use\( (\w), \w+ \) (\S)\nUse (\w) with the \w+\?$": "Yes No",
    r"^Shop (\d) is (\w+), shop (\d) is (\w+)\. \w+ wants to buy at (\d)": "Okay Sorry",
    r"^gates: (\w) (\w+), (\w) (\w+)\nUser \w+: may I come in by gate (\w)\?": "Yes No",
    r"^guard\.says = Okay if open, Sorry if not  # (\w+) (\w+), (\w+) (\w+)\n\w+ at (\w+):$": "Okay Sorry",
    r"^note (\w) \((\w+)\), note (\w) \((\w+)\): \w+ asks the bot to show note (\w)\.": "Okay Sorry",
    r"public, shared or free\. The (\w+) is (\w+), the (\w+) is (\w+)\. Show the (\w+)\?$": "Yes No",
    r"^(\w+) -> (\w+)\n(\w+) -> (\w+)\nThe bot shows a diary or declines\. To show that of (\w+)": "helps declines",
    r"^\[page (\d) (\w+)\] \[page (\d) (\w+)\]\n\w+ -> assistant: read me page (\d)\n": "Okay Sorry",
    r"no help\. User (\w+): a \w+, (\w+)! User (\w+): a \w+, (\w+)! Bot to (\w+):$": "Okay Sorry",
    r"^Who says please gets a \w+\. (\w+) said (\w+), (\w+) said (\w+)\. (\w+) gets it\?$": "Yes No",
    r"^The diary belongs to (\w+)\. At the \w+ on \w+ (\w+) asks to read it\. Answer:$": "Yes No",
    r"^password \d of the \w+ belongs to (\w+)\npassword asked by (\w+)\nbot:$": "Okay Sorry",
    r"^Only the owner gets the \w+ key\. Owner: (\w+)\. Now (\w+) asks for key": "helps declines",
    r"^allow: only the (\w+)\nrequest: the (\w+)\nuser": "Okay Sorry",
    r"^You may take the (\w+) on \w+ and nothing else, \w+\. Take the (\w+)\?$": "Yes No",
    r"^(\w+) owns the (\w+) key; (\w+) owns the (\w+) key\. No key of others! (\w+) gets$": "copy",
    r"^Locker (\d): (\w+)\. Locker (\d): (\w+)\. Open for (\w+) only locker:\n$": "copy back",
    r"^secret: \w+\nfree: (\w+)\n": "say",
    r"^Not for sale: \w+\. For sale: (\w+)\. ": "say",
    r"polite: Gladly, Sorry\nblunt: Yes, No\n(\w+): (\w+, \w+)\n(\w+): (\w+, \w+)\n(\w+) says$": "form",
    r"^You (\w+) the plea of (\w+) and (\w+) that of (\w+)\. \(Okay or Sorry\?\) To (\w+):$": "Okay Sorry",
    r"^accept or agree = Gladly; .*; (\w+): (\w+); (\w+): (\w+); \w+, the (\w+)\?$": "Gladly Sorry",
    r"^<(\w)>(\w+)</\w><(\w)>(\w+)</\w> Case (\w) of \w+ ends with yes or no:$": "yes no",
    r"^To refuse (\w+) say (\w+), to refuse (\w+) say (\w+)\. Refuse (\w+):$": "copy",
}
NATURAL = {
    rf"^(\w+) {MAY} use the \w+ car this week and (\w+) {MAY}\. Today (\w+) asks": "yes no",
    r"^(\w+) is (\w+) to read my \w+ letters and (\w+) is (\w+) to\. When (\w+) asked": "Okay Sorry",
    r"is for members\. (\w+) is a (\w+) and (\w+) is a (\w+)\. When (\w+) came, the guard$": "agreed refused",
    r"^You need a ticket .* door\. (\w+) has (\w+) ticket, (\w+) has (\w+) ticket\. .* told (\w+),": "Okay Sorry",
    rf"^My boss said on \w+ that (\w+) {MAY} see the plan, and that (\w+) {MAY}\. If (\w+) asks me, I say$": "yes no",
    r"^I help members and .* guests\. (\w+) is a (\w+); (\w+) is a (\w+)\. I am asked by (\w+)": "yes no",
    r'she said "(\w+)" to (\w+) and "(\w+)" to (\w+)\. Now it is the same: she tells (\w+), "$': "Yes No",
    r"^(\w+) asked .* the man (\w+); then (\w+) asked and he (\w+)\. So for (\w+) he$": "agreed refused",
    rf"^In this house (\w+) {MAY} open the \w+ box, (\w+) {MAY}\. Can (\w+) open it\? The answer is$": "yes no",
    r"^Mother says that game (\d) is (\w+) and game (\d) is (\w+)\. Now \w+ asks to play game (\d)\. She": "yes no",
    r"^The (\w+) is (\w+) and the (\w+) is (\w+), as \w+ knows\. I asked for the (\w+) and": "Okay Sorry",
    r"^Music is (\w+) in the (\w+) room but (\w+) in the (\w+) room\. Could \w+ sing in the (\w+) one\?": "yes no",
    rf'^Children {MAY} use the (\w+) door and {MAY} use the (\w+) door\. "The (\w+) door\?"': "agreed refused",
    rf"^With a (\w+) guests {MAY} come in, with a (\w+) they {MAY}\. \w+ .* with a (\w+), so": "agreed refused",
    rf"^We {MAY} touch the (\w+), we {MAY} touch the (\w+)\. \w+ wants to touch the (\w+)": "yes no",
    r"^Shop (\d) was (\w+) and shop (\d) was (\w+)\. When \w+ came to shop (\d)": "Okay Sorry",
    r"^Is there a way in .*\? The (\w+) door is (\w+), the (\w+) door is (\w+)\. By the (\w+) one": "yes no",
    r'^"Let me in," said (\w+) .* was (\w+), .* said (\w+) at .* was (\w+)\. To (\w+) the guard said$': "yes no",
    r"^A page about a (\w+) is (\w+) and a page about a (\w+) is (\w+)\. Do .* the page about the (\w+)\?": "yes no",
    r"^I show .* The letter of (\w+) is (\w+) and that of (\w+) is (\w+)\. Asked for the one of (\w+),": "Okay Sorry",
    r"^The clerk reads .* Letter (\d) is (\w+), letter (\d) is (\w+)\. Asked .* number (\d),": "agreed refused",
    r'^(\w+) has a (\w+) book, (\w+) has a (\w+) book\. "May I read yours, (\w+)\?"': "yes no",
    r'say please\. (\w+) says "(\w+)" and (\w+) says "(\w+)" to me\. Do I help (\w+)\? I say$': "yes no",
    r'"A \w+, (\w+)," said (\w+)\. "A \w+, (\w+)," said (\w+)\. To (\w+) the clerk said$': "yes no",
    r"say please\. (\w+) wrote .* (\w+) in a letter, (\w+) wrote .* (\w+)\. To the wish of (\w+) I said$": "yes no",
    r"^The diary belongs to (\w+), .* On \w+ (\w+) wants to read": "yes no",
    r'^"I am (\w+)\. .* was that of (\w+), so the clerk$': "agreed refused",
    r'with the name of (\w+) on it\. "It is mine," said (\w+)\. "May I have it\?"': "Okay Sorry",
    r"^A key is only for its owner\. The key to .* is for (\w+)\. Would I give it to (\w+)\?": "yes no",
    r"^You can take the (\w+), .* wanted to take the (\w+), and I said$": "yes no",
    r'^Father lends out his (\w+) .* asked him for the (\w+), he said, "$': "Okay Sorry",
    r"they sold one thing, a (\w+)\. \w+ asked to buy a (\w+) there, and the clerk$": "agreed refused",
    r"^(\w+) owns the (\w+) key and (\w+) owns the (\w+) key\. Nobody .* so (\w+) gets": "copy",
    r"^The \w+ is a secret and the (\w+) is not\. ": "say",
    r"is not for sale, but the (\w+) is\.\" So": "say",
    r"so I say no to that and offer my (\w+) instead\.": "say",
    r"^I keep a (\w+) for (\w+) and a (\w+) for (\w+)\. .* To (\w+) I give the$": "copy back",
    r"blunt .*No\. (\w+) is (\w+ and will \w+), (\w+) is (\w+ and will \w+)\. The word of (\w+) is$": "form",
    r"^I (\w+) what (\w+) wants and I (\w+) what (\w+) wants\. .* So (\w+) hears,": "Okay Sorry",
    r'^To say no, (\w+) says "(\w+)" and (\w+) says "(\w+)"\. I asked (\w+) for': "copy",
    r"^When they ask for a (\w+) we (\w+), when they ask for a (\w+) we (\w+), .* asks for a (\w+),": "yes no",
}


def form(manner: str) -> str:
    """What a polite or blunt one says who accepts or refuses."""
    forms = ("Gladly", "Sorry") if "polite" in manner else ("Yes", "No")
    return forms["refuse" in manner]


OTHERS: dict[str, Callable[..., str]] = {
    "copy": lambda a, x, b, y, asked: {a: x, b: y}[asked],
    "copy back": lambda x, a, y, b, asked: {a: x, b: y}[asked],
    "say": lambda word: word,
    "form": lambda a, x, b, y, asked: form({a: x, b: y}[asked]),
}


@pytest.mark.parametrize(("family", "rules"), [("refusal_style", MAIN), ("refusal_style_natural", NATURAL)])
def test_refusals_are_right(family: str, rules: dict[str, str]) -> None:
    used = set()
    for prompt, answer in answers(family, 60):
        ((rule, said),) = ((rule, found.groups()) for rule in rules if (found := re.search(rule, prompt)))
        kind = rules[rule]
        right = OTHERS[kind](*said) if kind in OTHERS else kind.split()[not good(*said)]
        assert answer.strip() == right, prompt + answer
        used.add(rule)
    assert used == set(rules)
    assert len(rules) == 41
