"""tests: what the code of the code_semantics family does, by running it; prose is first written as code."""

from __future__ import annotations

import contextlib
import io
import re

from ..test_families import WORDS, answers


def run(code: str) -> str:
    """What the code prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "prompt", "exec"), {})
    return printed.getvalue()


def test_code_prints_what_is_said() -> None:
    endings = set()
    for prompt, answer in answers("code_semantics", 60):
        if asserted := re.search(r'\nassert (\S.*?) ?(== "|==|is)$', prompt):
            code, said, ending = f"{prompt[: asserted.start()]}\nprint({asserted[1]})", answer, asserted[2]
        else:
            code, ending, said = prompt.partition("\n# prints")
            said += answer
        assert re.fullmatch(rf"{re.escape(said.strip())}\b.*\n", run(code)), prompt + answer
        endings.add(ending)
    assert endings == {'== "', "==", "is", "\n# prints", ""}


LOOK_UP = "print({{'{0}': '{1}', '{2}': '{3}'}}['{4}'])"
SET_BOTH = "{1}, {3} = '{0}', '{2}'; print({4})"
PROSE = {
    r"puts (\w+) in (\w+) and (\w+) in (\w+)\. Then it prints (\w+)\.": SET_BOTH,
    r"sets (\w+) to (\w+)\. After that it sets \1 to (\w+)\.": "{0} = '{1}'; {0} = '{2}'; print({0})",
    r"keeps (\w+) in (\w+) and (\w+) in (\w+), and then prints (\w+)\.": SET_BOTH,
    r"Let (.) be (\w+)\. Let (.) be a copy of \1\. Now \1 becomes (\w+)\. If we print (.),": (
        "{0} = '{1}'; {2} = {0}; {0} = '{3}'; print({4})"
    ),
    r"code, (.) holds (\w+) and (.) holds (\w+)\. The two are then swapped\. Now (.) holds$": (
        "{0} = '{1}'; {2} = '{3}'; {0}, {2} = {2}, {0}; print({4})"
    ),
    r"variables (.) and (.) start as (\w+) and (\w+)\. Then (.) is changed to (\w+)\. At the end, (.) is$": (
        "{0}, {1} = '{2}', '{3}'; {4} = '{5}'; print({6})"
    ),
    r"Both (.) and (.) are set to (\w+); then (.) alone is set to (\w+)\. Printing (.) gives$": (
        "{0} = {1} = '{2}'; {3} = '{4}'; print({5})"
    ),
    r"variable (.) of \w+ holds (\w+)\. After one is added to it at the \w+, \1 is$": "{0} = {1}; {0} += 1; print({0})",
    r"function (.) is (\w+), but outside it \1 is still (\w+)\. \w+ prints (.) outside and sees$": (
        "{0} = '{2}'\ndef f():\n  {0} = '{1}'\nf()\nprint({3})"
    ),
    r"more than five, program . says big, and if not, small\. \w+ types (\w+) ": "print('big' if {0} > 5 else 'small')",
    r"types (\w+), .* answers (\w+), .* types (\w+), it answers (\w+)\. \w+ types (\w+)\.": LOOK_UP,
    r"input is (.), print (\w+)\. If it is (.), print (\w+)\. If not, stop\. The input is (.),": (
        "if '{4}' == '{0}': print('{1}')\nelif '{4}' == '{2}': print('{3}')"
    ),
    r"whether (\w+) is more than (\w+)\. If so, it returns (\w+), else (\w+)\.": "print('{2}' if {0} > {1} else '{3}')",
    r": is (\w+) less than (\w+)\?": "print('yes' if {0} < {1} else 'no')",
    r"^Only if both .* five, .* gets (\w+) as . and (\w+) as .,": "print('yes' if {0} > 5 and {1} > 5 else 'no')",
    r"one of two numbers .* five\. .* gives it (\w+) and (\w+),": "print('yes' if {0} > 5 or {1} > 5 else 'no')",
    r"list holds (\w+), (\w+) and (\w+), in this order\. Its first item": "print(['{0}', '{1}', '{2}'][0])",
    r"puts (\w+), then (\w+), then (\w+) into a list and asks for the last": "print(['{0}', '{1}', '{2}'][-1])",
    r"with (\w+), (\w+) and then (\w+), .* takes away the first\.": "w = ['{0}', '{1}', '{2}']; del w[0]; print(w[0])",
    r"holds only (\w+)\. Then (\w+) is added at its end\. Now the last": "w = ['{0}']; w.append('{1}'); print(w[-1])",
    r"^The list (\w+), (\w+), (\w+) is turned around .* begins with$": "print(['{0}', '{1}', '{2}'][::-1][0])",
    r"^The second of the words (\w+), (\w+) and (\w+) is printed": "print(['{0}', '{1}', '{2}'][1])",
    r"loop goes over (\w+), and after it over (\w+), .* last": "for w in '{0}', '{1}': v = w\nprint(v)",
    r"two times and adds one to (.) each time\. For \w+, \1 starts at (\w+),": (
        "{0} = {1}\nfor i in range(2): {0} += 1\nprint({0})"
    ),
    r"hello to (\w+), (\w+) and (\w+) in turn, but ends right after (\w+)\.": (
        "for w in '{0}', '{1}', '{2}':\n  if w == '{3}': break\nprint(w)"
    ),
    r"maps (\w+) to (\w+) and (\w+) to (\w+)\. Looking up (\w+)": LOOK_UP,
    r"stores that (\w+) is (\w+) years old, and that (\w+) is (\w+)\. Asked about (\w+),": LOOK_UP,
    r"key (.) had the value (\w+)\. Now \1 gets (\w+) and (.) gets (\w+)\. For (.) we find$": (
        "d = {{'{0}': '{1}'}}; d['{0}'] = '{2}'; d['{3}'] = '{4}'; print(d['{5}'])"
    ),
    r"entry for (\w+) says (\w+)\. The entry for (\w+) says (\w+)\. The code prints the entry for (\w+):": LOOK_UP,
    r"two arguments and returns the first one\. .* with (\w+) and (\w+),": "print((lambda a, b: a)('{0}', '{1}'))",
    r"gives back its second argument\. If it gets (\w+) and (\w+) ": "print((lambda a, b: b)('{0}', '{1}'))",
    r"arguments (.) and (.) and returns (.)\. Called with (\w+) as (.) and (\w+) as (.),": (
        "print((lambda {0}, {1}: {2})({4}='{3}', {6}='{5}'))"
    ),
    r"If no color is named, the function paints things (\w+)\. \w+ calls it for a (\w+) and names no color": (
        "print((lambda thing, color='{0}': color)('{1}'))"
    ),
    r"functions, (.) always returns (\w+), and (.) always returns (\w+)\. We call (.) and get$": (
        "{0} = lambda: '{1}'; {2} = lambda: '{3}'; print({4}())"
    ),
    r"called (\w+) has the color (\w+); the object called (\w+) is (\w+)\. Printing the color of the (\w+)": LOOK_UP,
    r'return what it gets\. It gets "(\w+)", not "\w+",': "print((lambda x: x)('{0}'))",
    r"prints the larger of two numbers\. \w+ gives it (\w+) and (\w+) at": "print(max({0}, {1}))",
    r"numbers (\w+) and (\w+) are sorted, .* starts with$": "print(sorted([{0}, {1}])[0])",
    r"joins the words (\w+) and (\w+), .* begins with$": "print(' '.join(['{0}', '{1}']).split()[0])",
    r"first letter of the text (\w+) ": "print('{0}'[0])",
    r"Every (\w+) in a text is replaced by (\w+)\. .* said only (\w+),": "print('{2}'.replace('{0}', '{1}'))",
}
"""A description -> the code that it describes; words for numbers are names of numbers."""


def test_described_code_prints_what_is_said() -> None:
    used = set()
    numbers = "".join(f"{word} = {n}\n" for n, word in enumerate(WORDS))
    for prompt, answer in answers("code_semantics_natural", 40):
        ((described, found),) = ((p, f) for p in PROSE if (f := re.search(p, prompt)))
        printed = run(numbers + PROSE[described].format(*found.groups())).strip()
        assert answer.strip() == (WORDS[int(printed)] if printed.isdigit() else printed), prompt
        used.add(described)
    assert used == set(PROSE)
