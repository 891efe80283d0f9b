"""tests: the verbosity families, answered again by splitting, cutting and counting what stands in the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ..test_families import answers

SHORT = {"brief", "terse"}
LONG = {"full", "detailed"}
SIZES = {"word": 1, "line": 10, "page": 300, "book": 90_000}
"""Words in each, about."""


def kind(*said: str) -> str:
    """Short or long: two keys with their styles, and the key asked about."""
    style = chosen(*said)
    assert (style in SHORT) != (style in LONG)
    return "short" if style in SHORT else "long"


def chosen(*said: str) -> str:
    """The value of the key asked about."""
    if said[0] in SHORT | LONG or said[0] in ("long", "short"):
        said = (said[1], said[0], said[3], said[2], said[4])
    return {said[0]: said[1], said[2]: said[3]}[said[4]]


def opener(*said: str) -> str:
    return {"short": "Yes", "long": "Well"}[kind(*said)]


def wish(*said: str) -> str:
    return {"long": "shorter", "short": "longer"}[chosen(*said)]


def kept(text: str, size: str) -> str:
    """The first of so many last words."""
    return text.split()[-int(size)]


def turned(rule: Callable[..., str]) -> Callable[..., str]:
    return lambda a, b: rule(b, a)


def after(size: str, listed: str, end: str = "stop") -> str:
    """What follows when two of the listed words are said."""
    items = [*re.findall(r"\w+", listed.replace(" and ", " ")), end]
    return items[2] if int(size) > 2 else end


def again(item: str, often: str) -> str:
    """What follows when the item is said once."""
    return ([item] * int(often) + ["end"])[1]


def last(text: str, size: str) -> str:
    return re.findall(r"\w+", text)[: int(size)][-1]


def count(*said: str) -> int:
    return len(chosen(*said).split())


def obeys(*said: str) -> str:
    return "yes" if count(*said) == 1 else "no"


def size(*said: str) -> str:
    return "short" if count(*said) == 1 else "long"


def talks(*said: str) -> str:
    return "short" if count(*said) < 2 else "long"


def fits(*said: str) -> str:
    return "pass" if count(*said) <= 2 else "fail"


def number(*said: str) -> str:
    return ["zero", "one", "two", "three"][count(*said)]


def who(*said: str) -> str:
    """The key whose text has so many words; the size is the one digit."""
    wanted = next(part for part in said if part.isdigit())
    rest = [part for part in said if part != wanted]
    pairs = [sorted(pair, key=lambda part: "tea" in part) for pair in zip(rest[::2], rest[1::2], strict=True)]
    (key,) = (key for key, text in pairs if len(text.split()) == int(wanted))
    return key


def less(a: str, b: str) -> str:
    return min(a, b, key=SIZES.__getitem__)


def more(a: str, b: str) -> str:
    return max(a, b, key=SIZES.__getitem__)


def low(a: str, b: str, names: tuple[str, str] = ("A", "B")) -> str:
    return names[int(a) > int(b)]


def high(a: str, b: str, names: tuple[str, str] = ("A", "B")) -> str:
    return names[int(a) < int(b)]


ORDER = ("first", "second")
MAIN: dict[str, Callable[..., object]] = {
    r"^(\w+): (\w+)\n(\w+): (\w+)\nReply number \d to (\w+) should be$": kind,
    r'^style = { "(\w+)": "(\w+)", "(\w+)": "(\w+)" }  # about the \w+, to (\w+):$': kind,
    r"^User (\w+) wants (\w+) replies\. User (\w+) wants (\w+) replies\.\nAbout the \w+, to (\w+):$": kind,
    r"^Rule (\d): be (\w+)\. Rule (\d): be (\w+)\. \w+ follows rule (\d), so the text is$": kind,
    r"^<a> (\w+): (\w+) </a> <a> (\w+): (\w+) </a> The text of \w+ on the (\w+) is$": kind,
    r"^(\w)\) (\w+) (\w)\) (\w+)\n\w+ picks (\w)\. Length of the answer:$": kind,
    r"^short: Yes\nlong: Well\n(\w+): (\w+)\n(\w+): (\w+)\nis the \w+ here\? to (\w+):$": opener,
    r"^Short is Yes, long .* Be (\w+) to (\w+), (\w+) to (\w+)\. Is it \w+\? To (\w+):$": opener,
    r"^System: (\w+) about (\w+), (\w+) about (\w+); short is Yes, long is Well\.\nUser \w+: is it my (\w+)\?": opener,
    r"^\[too (\w+)\] (\w+) \[too (\w+)\] (\w+) -> On \w+ make the text of (\w+)$": wish,
    r"^(The \w+ is \w+)\. Keep all 4 words or just 1, the color\. \w+ keeps (\d):$": kept,
    r"^fact: (The \w+ is \w+)\n1 -> color only\n4 -> whole fact\n\w+ wants (\d) ->$": kept,
    r'^{ "text": "(The \w+ is \w+)", "max": (\d) }  # 4: all, 1: the color\. \w+:$': kept,
    r"^limit 1 is the color, limit 4 is it all\n\w+, limit (\d), (The \w+ is \w+) =>$": turned(kept),
    r"^1 word: the noun\. 2 words: color and noun\. On \w+ \w+ has a (\w+ \w+)\. In (\d):$": kept,
    r"^thing: (\w+ \w+)\ncolor too: only if max is 2\nmax: (\d)\n\w+ on \w+ says:$": kept,
    r"^describe\( (\w+ \w+), words=(\d) \)  # 1 is the noun, 2 is both\. ": kept,
    r"^Give (\d) words of (\w+, \w+, \w+), then stop\. \w+: \w+, \w+,$": after,
    r"^take (\d): \[ (\w+ \w+ \w+) \]\nthen: stop\n\w+: \w+ \w+$": after,
    r"^\w+ wants (\d) items\. On the list: (\w+, \w+\. Next is) (\w+) or stop\. It is$": lambda n, _, word: (
        "stop" if n == "2" else word
    ),
    r"^repeat: (\d)\nword: (\w+)\nlast: end\n\w+ on \w+: \2$": turned(again),
    r"^(\w+) x (\d), then end, in \w+, says \w+ -> \1$": again,
    r"^echo (\d) {(\w+)} end # \w+, \w\n> \2\n>$": turned(again),
    r'^\w+ cuts "(\w+ \w+ \w+)" on \w+ to length (\d)\. The last word is now$': last,
    r"^text: (\w+ \w+ \w+)\nkeep: (\d)\nreader: .*\nlast word kept:$": last,
    r"^(\w) = \[ (\w+, \w+, \w+) \]  # \w+\n\1\[:(\d)\] ends with$": lambda _, text, size: last(text, size),
    r"^\w+, top (\d) of (\w+, \w+, \w+)\. Then \w+ stops\. So the last is$": turned(last),
    r"^(\w+): ([\w ]+)\n(\w+): ([\w ]+)\nWords in the line of (\w+):\n$": count,
    r'^(\w) = "(.*?)"; (\w) = "(.*?)"; \w+: wordcount\((\w)\) =\n$': count,
    r"^Asked for one word, (\w+) said ([\w ]+); (\w+) said ([\w ]+)\. Did (\w+) obey\?$": obeys,
    r"^max 2 words\n(\w+) > ([\w ]+)\n(\w+) > ([\w ]+)\ncheck of (\w+):$": fits,
    r"^short = 1 word, long = more\. (\w): ([\w ]+)\. (\w): ([\w ]+)\. \w+, line (\w) is$": size,
    r"a \w+\? A to (\w+): ([\w, ]+)\. A to (\w+): ([\w, ]+)\. Length of A to (\w+):$": talks,
    r"^(\w)\. ([\w, ]+)\n(\w)\. ([\w, ]+)\n\w+: the answer (\w) is$": talks,
    r"^(\w+): ([\w ]+); (\w+): ([\w ]+); (\w+): ([\w ]+)\. Word count of (\d): only$": who,
    r"^Limit (\d)! \(([\w ]+)\) by (\w+), \(([\w ]+)\) by (\w+)\. At the limit on \w+:$": who,
    r"^(\w)\) ([\w ]+) (\w)\) ([\w ]+) (\w)\) ([\w ]+)\n\w+ needs length (\d), so takes$": who,
    r"^On \w+ \w+ asked for a (\w+), \w+ for a (\w+)\. Shorter is a$": less,
    r"^(\w+) / (\w+)\n\w+ on \w+ paper, \w+, longer of both:$": more,
    r"^A: (\d) words\. B: (\d) words\. On \w+ \w+ wants the shorter one:$": low,
    r"^lines\(A\)=(\d); lines\(B\)=(\d); longer for \w+ on \w+ =>$": high,
}
NATURAL: dict[str, Callable[..., object]] = {
    r"^(\w+) likes (\w+) letters and (\w+) likes (\w+) letters\. On \w+ I write to (\w+), so my letter is$": kind,
    r"^Be (\w+) when .* the (\w+) and (\w+) when .* the (\w+), \w+\. The text on the (\w+) should be$": kind,
    r"^Teacher (\w+) wants (\w+) answers, teacher (\w+) wants (\w+) ones\. .* class of (\w+), so": kind,
    r"^Rule (\d) says to be (\w+), rule (\d) says to be (\w+)\. \w+ obeys rule (\d), and": kind,
    r"^A short .* Yes, a long .* Well\. (\w+) wants a (\w+) answer, (\w+) a (\w+) one\. .* tell (\w+),": opener,
    r"^When I am short .* Well\. I am (\w+) with (\w+) and (\w+) with (\w+)\. .* To (\w+) I say$": opener,
    r"^For a (\w+) they want a (\w+) text, for a (\w+) a (\w+) text\. \w+ sells a (\w+)": kind,
    r"^The story of (\w+) is too (\w+) and that of (\w+) is too (\w+)\. .* I tell (\w+) to make it$": wish,
    r'^"Too (\w+) about the (\w+), too (\w+) about the (\w+)," .* about the (\w+) must be$': wish,
    r"a (\w+) card with a (\w+) text and a (\w+) card with a (\w+) text\. The text on the (\w+) card is$": kind,
    r"^(\w+) told me to be (\w+) and (\w+) told me to be (\w+)\. About .* obey (\w+), so I am$": kind,
    r'^From "(The \w+ is \w+)" we keep .* 4 words\. \w+ keeps (\d),': kept,
    r'^"(The \w+ is \w+)" has 4 words, .* \w+ may use (\d) and': kept,
    r'^You can say "(The \w+ is \w+)" in 4 .* say it in (\d), please,': kept,
    r"^In 1 word it is a \w+, in 2 words it is a (\w+ \w+)\. On \w+ \w+ has to use (\d),": kept,
    r"^Room for 1 word means just .* has room for (\d) and a (\w+ \w+) to name,": turned(kept),
    r"^I ask \w+ on \w+ for a name of the (\w+ \w+), .* I want (\d), so I hear first$": kept,
    r"^\w+ has to say (\d) of the words (\w+, \w+ and \w+), .* After \w+ and \w+ comes$": after,
    r'^"Give me (\d) things .* We had a (\w+), a (\w+) and a (\w+)\. After the \3 \w+ said$': lambda n, *items: after(
        n, " ".join(items)
    ),
    r"^We read out the list of (\w+, \w+, \w+), but only the first (\d), .* now says$": turned(after),
    r"^In game 1 you say .* plays game (\d) and has said (\w+), so the next word is$": turned(again),
    r"^The bird says .* I clapped (\d) times on \w+\. The bird said (\w+), and": turned(again),
    r'^\w+ cuts the text "(\w+ \w+ \w+)" on \w+ after word (\d),': last,
    r"^There are three words, (\w+, \w+ and \w+), but .* only (\d)\.": lambda text, n: last(
        text.replace(" and", ""), n
    ),
    r"note says (\w+), then (\w+), then (\w+)\. \w+ stops after (\d) of": lambda *said: said[int(said[3]) - 1],
    r"^I said to \w+, keep (\d) of .*, with (\w+), (\w+), (\w+)\. The end will be$": lambda *said: said[int(said[0])],
    r'^(\w+) wrote "(.*?)" and (\w+) wrote "(.*?)"\. The number of words written by (\w+) is$': number,
    r'^I asked for just one word\. (\w+) said "(.*?)" and (\w+) said "(.*?)"\. Did (\w+) obey\?': obeys,
    r'^"No more than 2 .* (\w+) came with "(.*?)" and (\w+) with "(.*?)"\. The text of (\w+) will$': fits,
    r'^One word is short, .* The (\w+) sign says "(.*?)", the (\w+) sign says "(.*?)"\. \w+ reads the (\w+) one': size,
    r'\. "(.*?)," said (\w+)\. "(.*?)," said (\w+)\. The answer of (\w+) was$': lambda x, a, y, b, asked: talks(
        a, x, b, y, asked
    ),
    r'^There were .* "(.*?)" from (\w+) and "(.*?)" from (\w+)\. The one from (\w+) was$': lambda x, a, y, b, asked: (
        talks(a, x, b, y, asked)
    ),
    r'^(\w+) said "(.*?)", (\w+) said "(.*?)" and (\w+) said "(.*?)"\. .* words is (\d) in': who,
    r'^The number of words had to be (\d) on \w+\. "(.*?)," said (\w+)\. "(.*?)," said (\w+)\.': who,
    r'^The (\w+) has the sign "(.*?)", the (\w+) the sign "(.*?)" and the (\w+) the sign "(.*?)"\. .* length (\d)': who,
    r"^\w+ asks for a (\w+) and \w+ asks for a (\w+) to read .* The shorter text": less,
    r"^What takes longer to read, a (\w+) or a (\w+)\?": more,
    r"^I have little time .* so of a (\w+) and a (\w+), ": less,
    r"^The first text has (\d) words and the second has (\d) words\. .* wants the shorter": lambda a, b: low(
        a, b, ORDER
    ),
    r"a long letter\. There are (\d) pages in the first one and (\d) pages .* The longer": lambda a, b: high(
        a, b, ORDER
    ),
    r"^Of two notes .* takes up (\d) lines and the second (\d) lines\. \w+ picks the brief": lambda a, b: low(
        a, b, ORDER
    ),
}


@pytest.mark.parametrize(("family", "rules"), [("verbosity", MAIN), ("verbosity_natural", NATURAL)])
def test_lengths_are_right(family: str, rules: dict[str, Callable[..., object]]) -> None:
    used = set()
    for prompt, answer in answers(family, 60):
        ((rule, said),) = ((rule, found.groups()) for rule in rules if (found := re.search(rule, prompt)))
        assert answer.strip() == str(rules[rule](*said)), prompt + answer
        used.add(rule)
    assert used == set(rules)
    assert len(rules) == 41
