"""tests: what is copied in prose is what was said of the thing, person or place that is asked about."""

from __future__ import annotations

import re

from ..test_families import answers

# `_` is a word; a prompt with its answer reads like exactly one of these
READINGS = r"""
_ sang of a _, a _ and a _, and then once more of a \2, a \3 and a \4
First _ and the others shouted _ and _. Then all shouted it again, \2 and \3
My friend _ said "(_ _ _)" and then _ said the very same words: "\2
Every day .* greets _, then _, then _. Today too, after \1 it is the turn of \2
Each week _ eats at the _ on _ and at the _ on _. This (?:\3 too it is the \2|\5 too it is the \4)
_ walked past a _, a _ and a _. On the way back came the \4, the \3 and the \2
To get into the _ _ had to say _. To get out one says the same word, so \2 again said \3
_ says all that _ says: if \2 says _, so does \1; if it is _, \1 says \4
_ has a _ and _ has a _. If you need a (?:\2, ask \1|\4, ask \3)
Today _ bought the _ _, and _ the _ _. The (?:\3 now belongs to \1|\6 now belongs to \4)
One day _ lost a _ at the _ and _ lost a _. The thing that (?:\1 lost was a \2|\4 lost was a \5)
Since _ loves _ but _ loves _, the door of (?:\1 should be \2|\3 should be \4)
You can find _ at the _, _ at the _, _ at the _. I met (?:\1 at the \2|\3 at the \4|\5 at the \6)
_ works only on _ and _ only on _. The one day of work for (?:\1 is \2|\3 is \4)
The cook wrote down two orders, a _ for _ and a _ for _; so (?:\2 gets the \1|\4 gets the \3)
Room _ is for _, room _ for _, room _ for _. In room (?:\1 we saw \2|\3 we saw \4|\5 we saw \6)
Of my friends _ is the one with the _ and _ the one with the _; with the (?:\2 comes \1|\4 comes \3)
A _ box has a _, a _ one a _, a _ one a _. In the (?:\1 one is the \2|\3 one is the \4|\5 one is the \6)
On the table were a _ _ and a _ _. Asked about the (?:\2, _ said that it was \1|\4, _ said that it was \3)
On chair _ there is a _, and on chair _ a _. _ sits on chair (?:\1, on the \2|\3, on the \4)
In our code _ stands for _ and _ for _. When _ writes (?:\1, it means \2|\3, it means \4)
We put a _ to the left of the _. _ asks what is to the left of the \2. It is the \1
Between the _ and the _, says _, there is a _. So the thing in the middle is the \4
We had two things, a _ _ and a _ _. As _ took the (?:\1 one, we lost the \2|\3 one, we lost the \4)
The _ of _ is _. _ wants one just like it, so \4 buys a \1 that is also \3
_ sits next to _, and _ sits next to _. Turning to the next seat, \3 talks to \4
_ told _ to remember the word "_" well. Later that day \2 was asked for it and said: "\3
Forget the _, _, but remember the _. The one thing you must remember is the \3
"I like _ best," said _. "And I like _," said _. What (?:\2 likes best is \1|\4 likes best is \3)
"Bring me the _ from the _," _ asked, and so _ went there to get the \1
"_!" cried _. "What did you say\?" asked _. "I said \1
When _ and _ went to the _, \1 gave a _ to \2
For hours _ waited at the _ for _. At last \3 came with a _ and said sorry to \1
_ wrote a letter about a _ to _. \3 read it, sat down and wrote an answer to \1
Dear _, thank you for the _ _. Yours, _. This letter of thanks was sent by \4
It was not _ but _ who took the _ from the _. The one to be blamed is \2
_ asked _ for help with the _. Because \2 had no time, no help came to \1
_ saw a _ first, then a _ and at the end a _. What came first was the \2
At the _ we met _, _ and _, in this order. The last of them was \4
_ won the race, _ came second and _ was last. The prize goes to the winner, \1
We had a _ and a _ until _ broke the \1. All we have now is the \2
_, _ and _ were invited. \1 and \3 stayed at home, so the only guest was \2
"""


def readings(text: str) -> list[str]:
    """A regular expression a line."""
    return [line.replace("_", r"(\w+)") for line in text.strip().splitlines()]


def matching(rules: list[str], text: str) -> list[str]:
    """The rules that the whole text obeys."""
    return [rule for rule in rules if re.fullmatch(rule, text)]


def test_copying_natural_is_right() -> None:
    rules, used, pairs = readings(READINGS), set(), answers("copying_natural", 40)
    for (clean, target), (corrupt, wrong_target) in zip(pairs, pairs, strict=True):
        (rule,) = matching(rules, clean + target)
        assert matching(rules, corrupt + wrong_target) == [rule], corrupt + wrong_target
        assert target == wrong_target or not matching(rules, clean + wrong_target), clean + wrong_target
        used.add(rule)
    assert used == set(rules)
