"""specs: malformed claim files all end in located faults; places in the table were counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mi_atlas.specs.errors import Fault
from mi_atlas.specs.load import MOST_FAULTS
from mi_atlas.specs.yaml_document import LARGEST_FILE

FaultsOf = Callable[[str | bytes], list[Fault]]

CLAIM = """\
claim: a/hub
statement: Layer 1 matters most.
model: pocket-qwen
suite: main-12
metric:
  evaluator: ablation
  quantity: kl
  sites: {granularity: layer}
counterfactual: {intervention: zero}
robustness: [{intervention: mean}]
control: {kind: matched_norm_noise}
expect: {form: top_component, component: L1}
threshold: {high: 0.995, medium: 0.95}
"""

Case = tuple[str, str | bytes, int, int, str]
"""Name, file, line and column of a fault, words of its message."""


def edit(old: str, new: str) -> str:
    """The valid claim with one passage replaced."""
    assert CLAIM.count(old) == 1
    return CLAIM.replace(old, new)


def aliases(levels: int, width: int) -> str:
    """`width` to the power of `levels` values in a few lines."""
    repeats = (f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]\n" for i in range(1, levels))
    return f"a0: &a0 [{', '.join(['x'] * width)}]\n" + "".join(repeats)


# fmt: off
NOT_A_DOCUMENT: list[Case] = [
    ("empty", "", 1, 1, "the file is empty"),
    ("white space", "\n\n  \n", 1, 1, "the file is empty"),
    ("comments only", "# nothing\n# here\n", 1, 1, "the file is empty"),
    ("document marker only", "---\n", 1, 4, "is no mapping; found nothing"),
    ("a byte order mark only", b"\xef\xbb\xbf", 1, 1, "the file is empty"),
    ("a list", "- claim: a/hub\n", 1, 1, "is no mapping; found a list of 1"),
    ("prose", "Layer 1 matters.\nMost.\n", 1, 1, "is no mapping; found the text `Layer 1 matters. Most.`"),
    ("a number", "\n42\n", 2, 1, "is no mapping; found the number `42`"),
    ("JSON with a trailing brace", '{"claim": "a/hub"}}', 1, 19, "fits nothing above it"),
    ("two documents", CLAIM + "---\n" + CLAIM, 14, 1, "a second document begins"),
    ("text after the end", CLAIM + "...\nmore\n", 15, 1, "fits nothing above it"),
    ("YAML 2", "%YAML 2.0\n---\nclaim: a/hub\n", 1, 1, "incompatible YAML document"),
    ("too large", b"#" * (LARGEST_FILE + 1), 1, 1, "the file is too large"),
]
NOT_TEXT: list[Case] = [
    ("Latin-1", edit("matters", "mättert").encode("latin-1"), 2, 21, "byte 33 (0xe4) is not UTF-8"),
    ("cut in a character", "claim: é".encode()[:-1], 1, 8, "is not UTF-8"),
    ("UTF-16", CLAIM.encode("utf-16"), 1, 1, "byte 0 (0xff) is not UTF-8"),
    ("encoded surrogate", b"claim: \xed\xa0\x80", 1, 8, "is not UTF-8"),
    ("a ZIP file", b"PK\x03\x04\x14\x00\x00\x00", 1, 3, "U+0003"),
    ("NUL", edit("pocket", "poc\0ket"), 3, 11, "a NUL character"),
    ("NUL, escaped", edit("pocket-qwen", r'"poc\0ket"'), 3, 8, "model: holds a NUL character"),
    ("bell", edit("most", "\a"), 2, 28, "U+0007"),
    ("escape sequence", edit("most", "\x1b[31m"), 2, 28, "U+001B"),
    ("old Mac lines", CLAIM.replace("\n", "\r"), 1, 13, "a carriage return without a line feed"),
    ("line separator", edit("matters", "mat\u2028ters"), 2, 23, "U+2028"),
    ("byte order mark inside", edit("most", "\ufeff"), 2, 28, "a byte order mark inside"),
    ("noncharacter", edit("most", "\uffff"), 2, 28, "U+FFFF"),
]
NOT_YAML: list[Case] = [
    ("tab indents", edit("  quantity", "\tquantity"), 7, 1, "a tab indents; use spaces"),
    ("open double quote", edit("statement: ", 'statement: "'), 2, 12, "a quote is opened here and never closed"),
    ("open single quote", edit("claim: ", "claim: '"), 1, 8, "a quote is opened here and never closed"),
    ("open bracket", edit("mean}]", "mean}"), 11, 1, "opened with `[` is not closed"),
    ("open brace", edit("noise}", "noise"), 12, 7, "opened with `{` is not closed"),
    ("open brace at the end", CLAIM.rstrip("}\n"), 13, 38, "opened with `{` is not closed"),
    ("close bracket alone", edit("main-12", "]"), 4, 8, "a value is missing here"),
    ("colon in text", edit("Layer 1", "Layer 1: it"), 2, 19, "quote text that holds `: `"),
    ("field indented too far", edit("suite:", "  suite:"), 4, 8, "mend the indentation"),
    ("field indented too little", edit("  quantity", " quantity"), 7, 2, "the indentation fits neither"),
    ("word without a colon", edit("suite: main-12", "suite"), 4, 1, "neither is `field: value`"),
    ("list item among fields", edit("suite: main-12", "- main-12"), 4, 1, "the indentation fits neither"),
    ("field among list items", edit("[{intervention: mean}]", "\n- {intervention: mean}\n  a: 1"), 12, 3, "not YAML"),
    ("at sign", edit("pocket-qwen", "@pocket"), 3, 8, "text that starts with '@' needs quotes"),
    ("back quote", edit("pocket-qwen", "`pocket`"), 3, 8, "needs quotes"),
    ("per cent", edit("pocket-qwen", "%pocket"), 3, 8, "text that starts with '%' needs quotes"),
    ("unknown escape", edit("pocket-qwen", r'"poc\ket"'), 3, 12, "unknown escape character"),
    ("surrogate escape", edit("pocket-qwen", r'"\ud800"'), 3, 11, "invalid Unicode character escape code"),
    ("bad block header", edit("Layer 1 matters most.", "|x\n  text"), 2, 13, "block scalar"),
    ("block text too far left", edit("Layer 1 matters most.", "|\n    one\n  two"), 4, 3, "indentation"),
    ("merge conflict", edit("suite: main-12", "<<<<<<< ours\nsuite: main-12"), 4, 1, "neither is `field: value`"),
    ("bad tag", edit("pocket-qwen", "!<x"), 3, 11, "while scanning a tag"),
    ("bad anchor", edit("pocket-qwen", "& x"), 3, 9, "alphabetic or numeric character"),
]
# Values are counted with the root, the names of fields, and what aliases repeat. The first bomb's levels hold
# 10, 91, 820 and 7381 values, so that the sixth alias of a4 passes 50000; in the second, level i holds 2^(i+2) - 1.
REFUSED_YAML: list[Case] = [
    ("field twice", edit("suite: main-12", "suite: x\nsuite: other"), 5, 1, "suite: is given twice, first at 4:1"),
    ("field twice inside", edit("{kind:", "{kind: x, kind:"), 11, 20, "control.kind: is given twice, first at 11:11"),
    ("field twice, quoted", edit("suite: main-12", 'suite: main-12\n"suite": other'), 5, 1, "is given twice"),
    ("Python object", edit("pocket-qwen", "!!python/object/apply:os.system [ls]"), 3, 8, "model: has a tag"),
    ("own tag", edit("[{inter", "!list [{inter"), 10, 13, "robustness: has a tag; found `!list`"),
    ("text tag", edit("main-12", "!!str 4"), 4, 8, "a value is text when it is quoted"),
    ("tagged field", edit("suite:", "!!str suite:"), 4, 1, "has a tag"),
    ("tagged root", "!!map\n" + CLAIM, 1, 1, "has a tag"),
    ("alias of nothing", edit("main-12", "*core"), 4, 8, "suite: repeats nothing that stands above"),
    ("alias of itself", edit("[{intervention: mean}]", "&r [*r]"), 10, 17, "stands inside what it repeats"),
    ("alias bomb", aliases(9, 9), 5, 35, "holds too many values"),
    ("alias bomb in a claim", CLAIM + aliases(30, 2), 27, 18, "holds too many values"),
    ("alias tower", aliases(60, 1), 50, 12, "is nested too deep"),
    ("merge key", edit("{kind:", "{<<: {ratio: 2}, kind:"), 11, 11, "merge keys are not YAML 1.2"),
    ("deep list", "claim: " + "[" * 100_000, 1, 57, "is nested too deep"),
    ("deep mapping", "{a: " * 100_000, 1, 201, "is nested too deep"),
    ("deep block list", "claim:\n" + "- " * 100_000, 2, 99, "is nested too deep"),
    ("many values", "claim: [" + "x," * 60_000 + "x]", 1, 100_003, "holds too many values"),
    ("numeric field", edit("suite:", "4:"), 4, 1, "a field's name must be text; found `4`"),
    ("boolean field", edit("suite:", "true:"), 4, 1, "a field's name must be text; found `true`"),
    ("null field", edit("suite:", "~:"), 4, 1, "a field's name must be text; found `~`"),
    ("list as a field", edit("suite: main-12", "? [suite]\n: main-12"), 4, 3, "a field's name must be text"),
    ("alias as a field", edit("suite: main-12", "? &s suite\n: main-12\n*s : x"), 6, 1, "a field's name must be text"),
    ("infinity", edit("0.995", ".inf"), 13, 19, "threshold.high: is not a finite number"),
    ("not a number", edit("0.995", ".nan"), 13, 19, "threshold.high: is not a finite number"),
    ("huge exponent", edit("0.995", "1e999"), 13, 19, "too large to hold"),
    ("5000 digits", edit("0.995", "9" * 5000), 13, 19, "too large to hold"),
    ("more than 64 bits", edit("0.995", "9223372036854775808"), 13, 19, "too large to hold"),
]
NO_CLAIM: list[Case] = [
    ("no id", edit("claim: a/hub\n", ""), 1, 1, "claim: is missing"),
    ("no statement", edit("statement: Layer 1 matters most.\n", ""), 1, 1, "statement: is missing"),
    ("no control", edit("control: {kind: matched_norm_noise}\n", ""), 1, 1, "control: is missing; accepted a mapping"),
    ("no counterfactual", edit("counterfactual: {intervention: zero}\n", ""), 1, 1, "counterfactual: is missing"),
    ("no threshold", edit("threshold: {high: 0.995, medium: 0.95}\n", ""), 1, 1, "threshold: is missing"),
    ("no quantity", edit("  quantity: kl\n", ""), 6, 3, "metric.quantity: is missing; accepted `kl`"),
    ("no form", edit("form: top_component, ", ""), 12, 9, "expect.form: is missing; accepted `"),
    ("null control", edit("{kind: matched_norm_noise}", ""), 11, 9, "control: has the wrong type; found nothing"),
    ("entropy", edit("kl", "entropy"), 7, 13, "found the text `entropy`; accepted `kl`, "),
    ("unknown field", edit("suite:", "color: red\nsuite:"), 4, 1, "color: is no field here"),
    ("misspelt field", edit("suite:", "siute:"), 4, 1, "siute: is no field here"),
    ("capital field", edit("suite:", "Suite:"), 4, 1, "did you mean `suite`?"),
    ("unknown form", edit("top_component", "best_component"), 12, 16, "did you mean `top_component`?"),
    ("misspelt composite form", edit("top_component", "migrate"), 12, 16, "did you mean `migration`?"),
    ("form is a list", edit("top_component", "[top]"), 12, 16, "expect.form: is none of the accepted"),
    ("unknown control", edit("matched_norm_noise", "matched_noise"), 11, 17, "did you mean `matched_norm_noise`?"),
    ("unknown intervention", edit("zero", "zeros"), 9, 32, "did you mean `zero`?"),
    ("unknown robustness", edit("mean", "mode"), 10, 29, "robustness[0].intervention: is none of the accepted words"),
    ("robustness without list", edit("[{intervention: mean}]", "{intervention: mean}"), 10, 13, "has the wrong type"),
    ("unknown granularity", edit("granularity: layer", "granularity: layers"), 8, 24, "did you mean `layer`?"),
    ("granularity list", edit("granularity: layer", "granularity: [layer, heads]"), 8, 32, "granularity[1]"),
    ("no site", edit("L1}", "1}"), 12, 42, "expect.component: has the wrong type; found the number `1`"),
    ("wrong site", edit("L1}", "layer1}"), 12, 42, "which is no site: sites are `L3`"),
    ("malformed site", edit("L1}", "L1.Mlp}"), 12, 42, "expect.component: should match pattern"),
    ("boolean id", edit("a/hub", "true"), 1, 8, "claim: has the wrong type; found `true`; accepted text"),
    ("id with a space", edit("a/hub", "a hub"), 1, 8, "claim: should match pattern"),
    ("YAML 1.1 boolean", edit("0.995", "no"), 13, 19, "threshold.high: has the wrong type; found the text `no`"),
    ("sexagesimal", edit("0.995", "1:30"), 13, 19, "found the text `1:30`"),
    ("number in quotes", edit("0.995", "'0.995'"), 13, 19, "did you mean `0.995`?"),
    ("confidence too low", edit("0.995", "0.9"), 13, 19, "threshold.high: should be greater than or equal to 0.99"),
    ("confidence of 1", edit("0.995", "1"), 13, 19, "threshold.high: should be less than 1"),
    ("too few draws", edit("_noise}", "_noise, draws: 19}"), 11, 44, "draws: should be greater than or"),
    ("draws with a fraction", edit("_noise}", "_noise, draws: 20.5}"), 11, 44, "control.draws: has the wrong type"),
    ("sites are text", edit("sites: {granularity: layer}", "sites: L"), 8, 10, "metric.sites: has the wrong type"),
    ("model is a list", edit("pocket-qwen", "[pocket-qwen]"), 3, 8, "accepted text, or a mapping"),
    ("inline model without its source", edit("pocket-qwen", "{model: x}"), 3, 8, "model.source: is missing"),
    ("suite of nothing", edit("main-12", "{families: []}"), 4, 19, "suite.families"),
    ("empty statement", edit("Layer 1 matters most.", "''"), 2, 12, "statement: should have at least 1 character"),
    ("site that is not swept", edit("L1}", "L1.mlp}"), 12, 42, "expect.component: expect.component names `L1.mlp`"),
]
# fmt: on
CORPUS = [*NOT_A_DOCUMENT, *NOT_TEXT, *NOT_YAML, *REFUSED_YAML, *NO_CLAIM]


def test_the_claim_that_is_edited_is_valid(faults_of: FaultsOf) -> None:
    assert faults_of(CLAIM) == []


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len({name for name, *_ in CORPUS}) == len(CORPUS) >= 60


@pytest.mark.parametrize(
    ("content", "line", "column", "words"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS]
)
def test_malformed(faults_of: FaultsOf, content: str | bytes, line: int, column: int, words: str) -> None:
    told = [str(fault) for fault in faults_of(content)]
    assert any(text.startswith(f"a/hub.yaml:{line}:{column}: ") and words in text for text in told), told


def test_all_faults_are_told_at_once_from_top_to_bottom(faults_of: FaultsOf) -> None:
    text = edit("kl", "entropy").replace("zero", "nought").replace("suite:", "suite: x\nsuite:").replace("0.995", "0.5")
    assert [(fault.line, fault.where) for fault in faults_of(text)] == [
        (5, "suite"),
        (8, "metric.quantity"),
        (10, "counterfactual.intervention"),
        (14, "threshold.high"),
    ]


def test_faults_of_one_file_are_bounded_and_the_rest_is_counted(faults_of: FaultsOf) -> None:
    faults = faults_of(CLAIM + "".join(f"unknown{i}: 1\n" for i in range(250)))
    assert len(faults) == MOST_FAULTS
    assert faults[-1].problem == "is the first of 151 more faults in this file"
