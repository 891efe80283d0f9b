"""tests: where models are found, what identifies them, and why one is absent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mi_atlas.evaluators.models.locate import Absent, Located, hub_folder, locate, untrained
from mi_atlas.specs.canonical import digest, digest_file
from mi_atlas.specs.model import Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = "someone/Tiny-Model"


def spec(**fields: object) -> Model:
    return Model.model_validate({"model": "tiny", **fields})


LOCAL = spec(source={"path": "tiny"})


def found(model: Model, workspace: Path) -> Located:
    located = locate(model, workspace)
    assert isinstance(located, Located), located
    return located


def absent(model: Model, workspace: Path) -> Absent:
    missing = locate(model, workspace)
    assert isinstance(missing, Absent), missing
    assert "\n" not in missing.message
    return missing


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def cache(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache as the hub client lays it out: blobs, snapshots of links, refs."""
    from huggingface_hub import constants

    root = tmp_path / "cache"
    repository = root / "models--someone--Tiny-Model"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (repository / "blobs", snapshot, repository / "refs"):
        folder.mkdir(parents=True)
    for path in tiny.iterdir():
        blob = repository / "blobs" / digest_file(path)
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    return root


def test_path_is_relative_to_the_workspace(tiny: Path) -> None:
    located = found(LOCAL, tiny.parent)
    assert located.folder == tiny
    assert located.layers == 2
    assert located.architecture == "Qwen2ForCausalLM"
    assert located.bytes == (tiny / "model.safetensors").stat().st_size
    assert located.tokenizer_file == tiny / "tokenizer.json"


def test_parts_are_digests_of_the_files(tiny: Path) -> None:
    parts = found(LOCAL, tiny.parent).parts
    assert parts == {
        "weights": digest("weights", [["model.safetensors", digest_file(tiny / "model.safetensors")]]),
        "config": digest_file(tiny / "config.json"),
        "tokenizer": digest_file(tiny / "tokenizer.json"),
        "chat_template": "-",
        "dtype": "float32",
        "quantization": "-",
        "adapter": "-",
    }


def test_a_flipped_byte_changes_the_weights_and_nothing_else(tiny: Path) -> None:
    before = found(LOCAL, tiny.parent).parts
    data = bytearray((tiny / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(data)
    after = found(LOCAL, tiny.parent).parts
    assert {name for name in before if before[name] != after[name]} == {"weights"}


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_chat_template_has_one_digest_wherever_it_stands(tiny: Path, file: str) -> None:
    text = "{{ messages }}"
    (tiny / file).write_text(text if file.endswith("jinja") else json.dumps({"chat_template": text}))
    assert found(LOCAL, tiny.parent).parts["chat_template"] == digest("chat_template", text)


def test_dtype_and_quantisation_are_parts(tiny: Path) -> None:
    parts = found(spec(source={"path": "tiny"}, dtype="bfloat16", quantization="nf4"), tiny.parent).parts
    assert (parts["dtype"], parts["quantization"]) == ("bfloat16", "nf4")


def test_a_callers_file_digest_is_used(tiny: Path) -> None:
    asked: list[str] = []

    def remember(path: Path) -> str:
        asked.append(path.name)
        return "0" * 64

    located = locate(LOCAL, tiny.parent, remember)
    assert isinstance(located, Located)
    assert sorted(asked) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert located.parts["config"] == "0" * 64


def test_hub_by_branch_and_by_commit(cache: Path, tmp_path: Path) -> None:
    local = found(LOCAL, tmp_path)
    for revision in (None, "main", COMMIT):
        located = found(spec(source={"hub": HUB, "revision": revision}), tmp_path)
        assert located.folder == cache / "models--someone--Tiny-Model" / "snapshots" / COMMIT
        assert located.parts == local.parts


def test_hub_agrees_with_the_hub_client(cache: Path) -> None:
    from huggingface_hub import try_to_load_from_cache

    for revision in ("main", COMMIT, "v2"):
        theirs = try_to_load_from_cache(HUB, "config.json", revision=revision)
        ours = hub_folder(HUB, revision)
        assert (str(ours / "config.json") if ours else None) == theirs


def test_the_cache_is_where_the_environment_says(cache: Path) -> None:
    code = f"from mi_atlas.evaluators.models.locate import hub_folder; print(hub_folder({HUB!r}, None))"
    for variables in ({"HF_HUB_CACHE": str(cache)}, {"HF_HOME": str(cache.parent / "home")}):
        (cache.parent / "home").mkdir(exist_ok=True)
        if "HF_HOME" in variables:
            cache.rename(cache.parent / "home" / "hub")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        run = subprocess.run(
            [sys.executable, "-c", code], env=clean | variables, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip().endswith(COMMIT), variables


def test_absent_from_the_hub_cache_names_the_command(cache: Path, tmp_path: Path) -> None:
    missing = absent(spec(source={"hub": "someone/Else"}), tmp_path)
    assert missing.reason == "weights_missing"
    assert missing.command == "mi-atlas audit --model tiny --download"
    assert missing.bytes is None
    other = absent(spec(source={"hub": HUB, "revision": "v2"}), tmp_path)
    assert other.reason == "weights_missing"


def shard(folder: Path) -> None:
    """Split model.safetensors in two, with an index, as large models come."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    files = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in files.items():
        save_file({name: tensors[name] for name in own}, folder / file, metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": 4321},
        "weight_map": {name: file for file, own in files.items() for name in own},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def test_shards_are_found_by_their_index(tiny: Path) -> None:
    shard(tiny)
    located = found(LOCAL, tiny.parent)
    shards = sorted(tiny.glob("model-*.safetensors"))
    assert located.parts["weights"] == digest("weights", [[path.name, digest_file(path)] for path in shards])
    assert located.bytes == sum(path.stat().st_size for path in shards)


def test_a_missing_shard_tells_the_size(tiny: Path) -> None:
    shard(tiny)
    (tiny / "model-00002-of-00002.safetensors").unlink()
    missing = absent(LOCAL, tiny.parent)
    assert (missing.reason, missing.bytes, missing.command) == ("weights_missing", 4321, None)
    assert "1 of 2 shards" in missing.message


def test_an_index_cannot_point_out_of_its_folder(tiny: Path) -> None:
    shard(tiny)
    edit(tiny / "model.safetensors.index.json", weight_map={"a": "../elsewhere.safetensors"})
    assert absent(LOCAL, tiny.parent).reason == "unsupported"


def test_pickled_weights_are_not_taken(tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    assert absent(LOCAL, tiny.parent).reason == "no_safetensors"


def test_no_weights_at_all(tiny: Path) -> None:
    (tiny / "model.safetensors").unlink()
    assert absent(LOCAL, tiny.parent).reason == "weights_missing"
    assert absent(spec(source={"path": "nowhere"}), tiny.parent).reason == "weights_missing"


def test_no_tokenizer(tiny: Path) -> None:
    (tiny / "tokenizer.json").unlink()
    assert absent(LOCAL, tiny.parent).reason == "no_tokenizer"


def test_remote_code_is_refused(tiny: Path) -> None:
    edit(tiny / "config.json", auto_map={"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"})
    assert absent(LOCAL, tiny.parent).reason == "remote_code"


@pytest.mark.parametrize(
    "fields", [{"architectures": ["BertForMaskedLM"]}, {"architectures": None}, {"num_hidden_layers": None}]
)
def test_other_kinds_of_models_are_unsupported(tiny: Path, fields: dict[str, object]) -> None:
    edit(tiny / "config.json", **fields)
    assert absent(LOCAL, tiny.parent).reason == "unsupported"


@pytest.mark.parametrize("text", ["{", "[]", "\ufeff{}"])
def test_a_broken_config_is_unsupported(tiny: Path, text: str) -> None:
    (tiny / "config.json").write_text(text, encoding="utf-8")
    assert absent(LOCAL, tiny.parent).reason == "unsupported"


def test_a_folder_with_an_adapter_of_its_own_is_refused(tiny: Path) -> None:
    """transformers would load the adapter, or even another base model, without being asked."""
    (tiny / "adapter_config.json").write_text("{}")
    assert absent(LOCAL, tiny.parent).reason == "unsupported"


def test_adapters_are_safetensors(tiny: Path) -> None:
    model = spec(source={"path": "tiny"}, adapter="lora")
    assert absent(model, tiny.parent).reason == "adapter_missing"
    folder = tiny.parent / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.bin").write_bytes(b"")
    assert absent(model, tiny.parent).reason == "no_safetensors"


@pytest.mark.parametrize("source", [{"pocket": "pocket-nothing"}, {"pocket": ".."}, {"hub": "../x"}, {"hub": "a/b/c"}])
def test_names_that_are_none(source: dict[str, str], tmp_path: Path) -> None:
    assert absent(spec(source=source), tmp_path).reason == "no_such_model"


def test_an_untrained_model_has_an_identity_of_its_own(tiny: Path) -> None:
    located = found(spec(source={"path": "tiny"}, quantization="nf4"), tiny.parent)
    first, second = untrained(located, 1), untrained(located, 2)
    assert len({part.parts["weights"] for part in (located, first, second)}) == 3
    assert untrained(located, 1) == first
    assert first.parts["tokenizer"] == located.parts["tokenizer"]
    assert first.parts["quantization"] == "-"
    assert first.spec.quantization is None


def test_locating_imports_neither_torch_nor_transformers(tiny: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from mi_atlas.evaluators.models.locate import locate, untrained\n"
        "from mi_atlas.specs.model import Model\n"
        "located = locate(Model.model_validate({'model': 'tiny', 'source': {'path': 'tiny'}}), Path(sys.argv[1]))\n"
        "untrained(located, 0); locate(Model.model_validate({'model': 'h', 'source': {'hub': 'a/b'}}), Path())\n"
        "print({'torch', 'transformers', 'tokenizers', 'safetensors', 'httpx', 'numpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tiny.parent)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
