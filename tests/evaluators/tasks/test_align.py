"""tests: alignment and its reasons for refusal, on tokenizers whose every merge is written by hand."""

from __future__ import annotations

import pytest
from mi_atlas.evaluators.tasks import Example
from mi_atlas.evaluators.tasks.align import align
from tokenizers import AddedToken, Tokenizer, models, processors

LETTERS = "abcdefghijklmnopqrstuvwxyz =."


def by_hand(*merges: str) -> Tokenizer:
    """A BPE over letters with these merges and no pre-tokenizer: `a b` makes `ab`."""
    pairs = [tuple(merge.replace("_", " ").split("+")) for merge in merges]
    tokens = [*LETTERS, *("".join(pair) for pair in pairs)]
    return Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, pairs))


def outcome(tokenizer: Tokenizer, clean: str, corrupt: str, target: str, wrong: str) -> Example | str:
    return align(tokenizer, "f", "f/t00", clean, corrupt, target, wrong)


def test_an_aligned_pair() -> None:
    """By hand: c=2, a=0, t=19; ` `=26; `=`=27; d=3 o=14 g=6; x=23 y=24."""
    example = outcome(by_hand(), "cat =", "dog =", " x", "y")
    assert isinstance(example, Example)
    assert example.clean_ids == (2, 0, 19, 26, 27)
    assert example.corrupt_ids == (3, 14, 6, 26, 27)
    assert (example.target_ids, example.wrong_target_ids) == ((26, 23), (24,))
    assert example.answer_position == 4


@pytest.mark.parametrize(
    ("merges", "clean", "corrupt", "reason"),
    [
        ((), "cat =", "bird =", "unaligned"),
        (("c+a",), "cat =", "dog =", "unaligned"),
        (("c+a", "d+o"), "cat =", "dog =", ""),
        # six tokens each, but c at | b i g against d o g | b in
        (("a+t", "i+n"), "cat big", "dog bin", "unaligned"),
        (("a+t", "o+g"), "cat big", "dog bit", ""),
    ],
)
def test_words_are_compared_one_by_one(merges: tuple[str, ...], clean: str, corrupt: str, reason: str) -> None:
    result = outcome(by_hand(*merges), clean, corrupt, " x", "y")
    assert (result if isinstance(result, str) else "") == reason


def test_a_merge_over_the_end_of_the_prompt_is_a_boundary() -> None:
    assert outcome(by_hand("=+x"), "cat =", "dog =", "x", "y") == "boundary"
    assert outcome(by_hand("=+y"), "cat =", "dog =", "x", "y") == "boundary"
    assert isinstance(outcome(by_hand("=+z"), "cat =", "dog =", "x", "y"), Example)


def test_a_merge_that_only_one_prompt_has_is_a_boundary() -> None:
    """`g` merges with the answer, `t` does not."""
    assert outcome(by_hand("g+x"), "cat", "dog", "x", "y") == "boundary"


def test_continuations_that_begin_alike_collide() -> None:
    assert outcome(by_hand(), "cat =", "dog =", "xa", "xb") == "target_collision"
    assert isinstance(outcome(by_hand("x+a"), "cat =", "dog =", "xa", "xb"), Example)


def special(template: str) -> Tokenizer:
    tokenizer = by_hand()
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    tokens = [("<s>", tokenizer.token_to_id("<s>"))]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=tokens)
    return tokenizer


def test_a_tokenizers_own_first_token_is_kept() -> None:
    example = outcome(special("<s> $A"), "cat", "dog", "x", "y")
    assert isinstance(example, Example)
    assert example.clean_ids == (29, 2, 0, 19)
    assert example.answer_position == 3
    assert example.target_ids == (23,)


def test_a_last_token_of_its_own_is_a_boundary() -> None:
    assert outcome(special("$A <s>"), "cat", "dog", "x", "y") == "boundary"
