"""specs: folders of claims."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.load import load_claims

CLAIM = """\
claim: {name}
statement: Layer 1 matters most.
model: pocket-qwen
suite: main-12
metric: {{evaluator: ablation, quantity: kl, sites: {{granularity: layer}}}}
counterfactual: {{intervention: zero}}
control: {{kind: matched_norm_noise}}
expect: {{form: top_component, component: L1}}
threshold: {{high: 0.995}}
"""


def put(folder: Path, file: str, name: str | None = None, text: str = CLAIM) -> Path:
    """Write a claim; its id is that of its path unless another one is given."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(name=name or str(Path(file).with_suffix(""))))
    return path


def told(folder: Path) -> list[str]:
    """The faults of a folder, with paths relative to it."""
    return [str(fault).replace(f"{folder}/", "") for fault in load_claims(folder)[1]]


def test_every_claim_below_the_folder_is_loaded_by_its_id(tmp_path: Path) -> None:
    for file in ("b.yaml", "a/hub.yml", "a/deep/er.YAML", "a/qwen2.5.yaml"):
        put(tmp_path, file)
    put(tmp_path, "registrations.lock", text="not: a claim")
    claims, faults = load_claims(tmp_path)
    assert faults == []
    assert sorted(claims) == ["a/deep/er", "a/hub", "a/qwen2.5", "b"]
    assert claims["a/hub"].path == tmp_path / "a/hub.yml"
    assert isinstance(claims["a/hub"].claim, MeasuredClaim)


def test_faults_of_all_files_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    put(tmp_path, "z.yaml", text="claim: [\n")
    put(tmp_path, "a/one.yaml", text=CLAIM.replace("kl", "entropy").replace("zero", "nil"))
    put(tmp_path, "a/two.yaml")
    put(tmp_path, "m.yaml", text="")
    claims, faults = load_claims(tmp_path)
    assert list(claims) == ["a/two"]
    assert [(str(fault.path.relative_to(tmp_path)), fault.line) for fault in faults] == [
        ("a/one.yaml", 5),
        ("a/one.yaml", 6),
        ("m.yaml", 1),
        ("z.yaml", 1),
    ]


def test_the_id_is_the_path(tmp_path: Path) -> None:
    put(tmp_path, "a/hub.yaml", name="b/hub")
    accepted = "accepted `a/hub`, or a file of that name"
    assert told(tmp_path) == [
        f"a/hub.yaml:1:8: claim: differs from the file's path; found the text `b/hub`; {accepted}"
    ]
    assert load_claims(tmp_path)[0] == {}


def test_a_wrong_id_is_told_beside_the_other_faults(tmp_path: Path) -> None:
    put(tmp_path, "a/hub.yaml", name="b/hub", text=CLAIM.replace("kl", "entropy"))
    assert [fault.where for fault in load_claims(tmp_path)[1]] == ["claim", "metric.quantity"]


def test_one_id_in_two_files_is_a_fault_of_the_second(tmp_path: Path) -> None:
    put(tmp_path, "a/hub.yaml")
    put(tmp_path, "a/hub.yml")
    (fault,) = told(tmp_path)
    assert fault.startswith("a/hub.yml:1:8: claim: is the name of a/hub.yaml, too")


@pytest.mark.parametrize("name", ["hub.yaml~", "hub.yaml.bak", ".hub.yml.swp", "hub.YAML.orig", "#hub.yaml#"])
def test_what_looks_like_a_claim_and_is_not_read_is_a_fault(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert told(tmp_path) == [f"{name}:1:1: looks like YAML, and is not read; accepted `.yaml`, `.yml`"]


def test_hidden_files_are_read(tmp_path: Path) -> None:
    put(tmp_path, ".hub.yaml")
    assert told(tmp_path)[0].startswith(".hub.yaml:1:8: claim: should match pattern")


def test_folders_and_links_are_not_passed_over(tmp_path: Path) -> None:
    claims, elsewhere = tmp_path / "claims", tmp_path / "elsewhere"
    put(claims, "folder.yaml/inside.yaml", name="folder.yaml/inside")
    put(elsewhere, "linked.yaml")
    (claims / "broken.yaml").symlink_to(tmp_path / "nowhere")
    (claims / "linked").symlink_to(elsewhere)
    (claims / "linked.yaml").symlink_to(elsewhere / "linked.yaml")
    os.mkfifo(claims / "pipe.yaml")
    loaded, faults = load_claims(claims)
    assert sorted(loaded) == ["folder.yaml/inside", "linked"]
    assert {fault.path.name: fault.problem for fault in faults} == {
        "folder.yaml": "is a folder with the name of a YAML file",
        "linked": "is a linked folder, which is not followed",
        "broken.yaml": "cannot be read: it is missing, or a broken link",
        "pipe.yaml": "cannot be read: it is no regular file",
    }


def test_no_folder_is_a_fault(tmp_path: Path) -> None:
    assert told(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere:1:1: cannot be read: No such file or directory; accepted a folder"
    ]
    put(tmp_path, "file.yaml")
    assert "Not a directory" in told(tmp_path / "file.yaml")[0]


def test_a_file_name_that_is_not_utf_8_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"h\xe4b.yaml")
    path.write_text(CLAIM.format(name="hub"))
    assert told(tmp_path)[0].startswith("h\\udce4b.yaml:1:8: claim: differs from the file's path")


def test_250_claims_are_checked_in_well_under_a_second_and_without_heavy_imports(tmp_path: Path) -> None:
    """Process time of imports, claims and library, the best of three; .42 s were measured, .8 s on a busy machine."""
    for index in range(250):
        put(tmp_path, f"family{index % 7}/claim{index}.yaml", text=CLAIM + "# a comment\n" * 16)
    script = f"""
import sys, time
from pathlib import Path
from mi_atlas.specs.library import Library, load_workspace
claims, faults = load_workspace(Path({str(tmp_path)!r}), Library())
heavy = {{"torch", "transformers", "duckdb", "httpx", "scipy", "numpy", "jsonschema"}} & set(sys.modules)
print(len(claims), len(faults), len(heavy), time.process_time())
"""
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        *told, spent = done.stdout.split()
        assert told == ["250", "0", "0"]
        seconds.append(float(spent))
    assert min(seconds) < 0.8
