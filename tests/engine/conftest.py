"""tests: workspaces with a small model of known structure: real files, a real ledger, the real command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mi_atlas.engine.audit import Audit, AuditResult, Options
from mi_atlas.engine.plan import GroupStep, Plan
from mi_atlas.engine.select import Selection
from mi_atlas.engine.workspace import Workspace, find_workspace
from mi_atlas.evaluators.tasks import training_examples
from mi_atlas.store import Ledger
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import Qwen2Config, Qwen2ForCausalLM

HUB, LAYERS = 2, 4
"""The layer that is made to matter most, of how many."""

FAMILIES = ("copying", "arithmetic")


def write_model(folder: Path, layers: int, hub: int) -> Path:
    """A random-weight Qwen2 (d_model 32) whose other layers write a tenth of what its hub does."""
    tokenizer = Tokenizer(BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    stream = training_examples(FAMILIES)
    texts = [f"{example.clean}{example.target}" for example, _ in zip(stream, range(2000), strict=False)]
    tokenizer.train_from_iterator(
        texts, BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.15,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for i, layer in enumerate(model.model.layers):
            if i != hub:
                layer.mlp.down_proj.weight.mul_(0.1)
                layer.self_attn.o_proj.weight.mul_(0.1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), LAYERS, HUB)


@pytest.fixture(scope="session")
def thin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with two layers, the second of which is the hub: for audits of many models, each of which is proven."""
    return write_model(tmp_path_factory.mktemp("thin"), 2, 1)


def claim(component: str = f"L{HUB}", **changes: Any) -> dict[str, Any]:
    """A claim that a layer of the small model is its hub; cheap to measure."""
    return {
        "statement": f"{component} matters most to the small model.",
        "model": "small",
        "suite": "tiny",
        "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}},
        "counterfactual": {"intervention": "zero"},
        "robustness": [{"intervention": "mean"}],
        "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.01},
        "expect": {"form": "top_component", "component": component},
        "threshold": {"high": 0.995, "medium": 0.95},
        **changes,
    }


@dataclass
class Listener:
    """What an audit said."""

    waits: list[str] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    spent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def wait(self, message: str) -> None:
        self.waits.append(message)

    def begin(self, plan: Plan) -> None:
        self.plans.append(plan)

    def progress(self, step: GroupStep, done: int) -> None:
        pass

    def judged(self, model: str, replies: int, tokens: int) -> None:
        self.spent[model] = (replies, tokens)

    def end(self) -> None:
        pass


@dataclass
class Desk:
    """A workspace on disk, and the two ways of working in it: in this process, or by the command."""

    root: Path
    said: Listener = field(default_factory=Listener)

    @property
    def workspace(self) -> Workspace:
        return find_workspace(self.root)

    def write(self, name: str, document: Mapping[str, Any]) -> Path:
        path = self.root / "claims" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"claim": name, **document}, sort_keys=False))
        return path

    def write_suite(self, name: str = "tiny", **changes: Any) -> None:
        path = self.root / "specs" / "library" / "suites" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"suite": name, "families": list(FAMILIES), "items": 30, **changes}))

    def audit(self, *patterns: str, **options: Any) -> AuditResult:
        self.said = Listener()
        return Audit(self.workspace, Options(Selection(patterns), **options), self.said).run()

    def documents(self) -> dict[str, str]:
        """Claim -> its latest verdict, as JSON."""
        return {name: row.document for name, row in Ledger(self.workspace.ledger).verdicts().items()}

    def command(self, *words: str, stdin: bool = False, **more: Any) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from mi_atlas.engine.cli import main; main()", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        pipes["stdin"] = subprocess.PIPE if stdin else subprocess.DEVNULL
        return subprocess.Popen(program, cwd=self.root, text=True, **pipes, **more)

    def type(self, *words: str) -> tuple[int, str, str]:
        process = self.command(*words)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err


def furnished(root: Path, model_folder: Path) -> Desk:
    """A workspace without claims that knows the small model and a tiny suite."""
    library = root / "specs" / "library" / "models"
    library.mkdir(parents=True)
    source = {"model": "small", "source": {"path": str(model_folder)}}
    (library / "small.yaml").write_text(yaml.safe_dump(source))
    (root / "claims").mkdir()
    made = Desk(root)
    made.write_suite()
    return made


@pytest.fixture
def desk(tmp_path: Path, model_folder: Path) -> Desk:
    """An empty workspace that knows the small model and a tiny suite."""
    return furnished(tmp_path, model_folder)


@pytest.fixture
def thin_desk(tmp_path: Path, thin_folder: Path) -> Desk:
    """A workspace whose small model has two layers."""
    return furnished(tmp_path, thin_folder)


@pytest.fixture
def filled(thin_desk: Desk) -> Desk:
    """A claim on a model, and one whose control is other models."""
    thin_desk.write("small/hub", claim("L1"))
    thin_desk.write("small/wrong", claim("L0", control={"kind": "untrained_model", "draws": 20, "ratio": 1.5}))
    return thin_desk


MakeDesk = Callable[[], Desk]
