"""tests: uncertainty: the answer follows from the cue that stands in the prompt, by a list of its own."""

from __future__ import annotations

import re

import pytest

from ..test_families import answers

SURE = """saw it/checked it/counted it/was there/found proof/read it/photo/video/record/proof/for sure/no doubt/
of course/must/will/80/85/90/95"""
UNSURE = """forgot it/only guessed/was asleep/was away/heard rumors/never looked/rumor/dream/story/hint/I think/
I guess/it seems/may/might/could/10/15/20/25"""
SAYS = {
    **dict.fromkeys("sure must high knows yes fact trust strong certain likely".split(), True),  # noqa: SIM905
    **dict.fromkeys("unsure may low guesses maybe guess doubt weak open unlikely no".split(), False),  # noqa: SIM905
}
CUES = {cue.strip(): said for text, said in ((SURE, True), (UNSURE, False)) for cue in text.split("/")}
CUE = re.compile(rf"\b({'|'.join(sorted(CUES, key=len, reverse=True))})\b")
SUBJECT = re.compile(r"\b(Anna|Ben|Carl|Dora|Emma|Gina|Hugo|Ivan|Jane|Lena|Nora|Omar|Paul|Sam|Tom|Vera|[A-HK-N])\b")

NO_CUES = re.compile(r"must be$|there will be|will be asked|you will find|Will it be|\(\w+, page \d")
"""What templates say beside their cue that looks like one."""


def decisive(prompt: str) -> str:
    """The cue of the one who is asked about; without a question about one of two, the last cue."""
    text = NO_CUES.sub("", prompt)
    cues = list(CUE.finditer(text))
    before = [SUBJECT.findall(text[: cue.start()])[-1:] for cue in cues]
    asked = SUBJECT.findall(text[cues[-1].end() :])[-1:]
    if len(cues) == 2 and asked and before[0] != before[1] and asked in before:
        return cues[before.index(asked)][0]
    return cues[-1][0]


@pytest.mark.parametrize("family", ["uncertainty", "uncertainty_natural"])
def test_the_cue_decides(family: str) -> None:
    used = set()
    for prompt, answer in answers(family, 60):
        cue = decisive(prompt)
        assert SAYS[re.findall(r"\w+", answer)[0]] == CUES[cue], prompt + answer
        used.add(cue)
    assert used == set(CUES)
