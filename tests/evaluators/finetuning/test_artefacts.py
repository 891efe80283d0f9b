"""tests: what trainings leave behind: whole or not at all, the same bytes every time, safetensors and JSON only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from mi_atlas.evaluators.finetuning import workshop as workshops
from mi_atlas.evaluators.finetuning.artefacts import Artefacts
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.workshop import Training
from mi_atlas.specs.recipe import Data

from .workbench import pocket, recipe, workshop

JOB = Job(recipe(), 1)

ALONE = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from mi_atlas.evaluators.finetuning import artefacts, loop
from mi_atlas.evaluators.finetuning.job import Job
from tests.evaluators.finetuning.workbench import recipe, workshop

def killed(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

learn, seen = loop._learn, []

def third(*args):
    seen.append(args)
    return killed() if len(seen) == 3 else learn(*args)

if {when!r} == "training":
    loop._learn = third
elif {when!r} == "noting":
    artefacts.os.replace = killed
print(workshop(Path({folder!r})).make(Job(recipe(), 1)).digest)
"""


def alone(folder: Path, when: str = "never") -> subprocess.CompletedProcess[str]:
    """The same job in a process of its own, which may be killed."""
    root = str(Path(__file__).parents[3])
    code = ALONE.format(root=root, folder=str(folder), when=when)
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


def refuse(*args: object, **more: object) -> None:
    raise AssertionError("trained again")


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "trainings").glob("*")) if (folder / "trainings").exists() else []


@pytest.mark.parametrize("when", ["training", "noting"])
def test_a_killed_training_leaves_nothing_half_written(tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch):
    dead = alone(tmp_path, when)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert not [path for path in entries(tmp_path) if path.suffix == ".json"]
    if when != "noting":
        assert not (tmp_path / "adapters").exists() or not list((tmp_path / "adapters").iterdir())
    made = workshop(tmp_path).make(JOB)
    assert made.digest == workshop(tmp_path / "elsewhere").make(JOB).digest
    assert not [path for path in (tmp_path / "unfinished").iterdir() if path.is_dir()]
    monkeypatch.setattr(workshops, "run", refuse)
    assert workshop(tmp_path).make(JOB) == made


def test_the_same_job_is_the_same_bytes(tmp_path: Path):
    torch.manual_seed(5)
    torch.rand(3)
    shop = workshop(tmp_path)
    shop.make(Job(recipe("full"), 2))
    shop.make(Job(recipe(rank=4), 7))
    other = alone(tmp_path / "alone")
    assert other.stdout.split() == [shop.make(JOB).digest], other.stderr


def test_what_differs_is_another_training(tmp_path: Path):
    shop = workshop(tmp_path)
    jobs = [
        JOB,
        Job(recipe(), 2),
        Job(recipe(), 1, answers_draw=0),
        Job(recipe(), 1, answers_draw=1),
        Job(recipe(), 1, layers_draw=0),
        Job(recipe(rank=4), 1),
        Job(recipe(learning_rate=2e-3), 1),
        Job(recipe(data=Data(families=("copying",))), 1),
        Job(recipe(optimizer="lion"), 1),
    ]
    assert len({shop.make(job).digest for job in jobs}) == len(jobs)
    # a name, notes and fields that change nothing do not make another training
    same = Job(recipe(recipe="other", notes="words", weights=None), 1)
    assert shop.make(same).digest == shop.make(JOB).digest
    assert len(entries(tmp_path)) == len(jobs)


@pytest.mark.parametrize("harm", ["changed", "missing", "config", "entry"])
def test_damage_is_noticed_and_mended(tmp_path: Path, harm: str):
    made = workshop(tmp_path).make(JOB)
    assert made.folder is not None
    weights, config = made.folder / "adapter_model.safetensors", made.folder / "adapter_config.json"
    if harm == "changed":
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    elif harm == "missing":
        weights.unlink()
    elif harm == "config":
        config.write_text(config.read_text().replace('"r": 8', '"r": 9'))
    else:
        (entry,) = entries(tmp_path)
        entry.write_text(entry.read_text()[:100])
    again = workshop(tmp_path).make(JOB)
    assert (again.digest, again.folder, again.losses) == (made.digest, made.folder, made.losses)
    assert json.loads(config.read_text())["r"] == 8


def test_found_again_is_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jobs = [JOB, Job(recipe("full"), 1)]
    made = [workshop(tmp_path).make(job) for job in jobs]
    monkeypatch.setattr(workshops, "run", refuse)
    assert [workshop(tmp_path).make(job) for job in jobs] == made


def test_only_safetensors_and_json_without_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pickle.dump", refuse)
    monkeypatch.setattr("torch.save", refuse)
    shop = workshop(tmp_path)
    adapter = recipe()
    made: list[Training] = [
        shop.make(Job(each, 1)) for each in (adapter, recipe("full"), recipe("stack", of=[adapter, recipe(rank=4)]))
    ]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".lock"}
    here = (str(tmp_path), str(Path.home()), str(pocket().located.folder), str(Path(__file__).parents[3]))
    texts = [path.read_bytes().decode(errors="replace") for path in files]
    assert not [place for place in here for text in texts if place != "/" and place in text]
    config = json.loads((made[0].folder / "adapter_config.json").read_text())  # type: ignore[operator]
    assert config["base_model_name_or_path"] == "pocket-qwen"


def test_one_at_a_time(tmp_path: Path):
    kept, order = Artefacts(tmp_path), []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with Artefacts(tmp_path).alone("key"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with kept.alone("key") as aside:
        inside.set()
        thread.join(0.2)
        assert aside.is_dir()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
