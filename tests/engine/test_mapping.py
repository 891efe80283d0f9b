"""tests: a map of a small model of known structure, the claims drafted from it, and the adapter that targets it."""

from __future__ import annotations

import json
import math
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.engine.cli import app
from mi_atlas.engine.errors import MachineError, UsageError
from mi_atlas.engine.mapping.atlas import Asked, discovery_suite, find_target, map_model
from mi_atlas.engine.mapping.drafts import About, drafted, rounded
from mi_atlas.engine.mapping.lora import lora_config
from mi_atlas.engine.memo import generate_blocks
from mi_atlas.engine.select import load
from mi_atlas.engine.site.pages import render_map
from mi_atlas.engine.terminal import run
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.planted.folder import save
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.tasks.family import find_family
from mi_atlas.specs.errors import SpecError
from mi_atlas.specs.library import Library
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from ..evaluators.replay.models import micro
from .conftest import FAMILIES, HUB, LAYERS, Desk, claim, furnished

ABOUT = About("small", "small", "small", "tiny")


@dataclass
class Mapped:
    """A workspace whose small model was mapped."""

    desk: Desk
    out: Path
    files: list[Path]
    said: list[str]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "map.json").read_text())
        return found

    @property
    def located(self) -> Located:
        found = locate(Library(self.desk.workspace.libraries).model("small"), self.desk.root)
        assert isinstance(found, Located)
        return found


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Mapped:
    desk = furnished(tmp_path_factory.mktemp("mapped"), model_folder)
    out, said = desk.root / "drawn", []  # type: ignore[var-annotated]
    asked = Asked("small", "tiny", out=out, lora_config=out / "adapter" / "adapter_config.json", layers=1)
    return Mapped(desk, out, map_model(desk.workspace, asked, said.append), said)


def test_the_map_has_every_component_and_says_what_it_is_of(mapped: Mapped) -> None:
    found = mapped.document
    parts = [f"L{layer}{part}" for part in ("", ".operator", ".mlp") for layer in range(LAYERS)]
    heads = [f"L{layer}.head{head}" for layer in range(LAYERS) for head in range(4)]
    assert sorted(found["components"]) == sorted([*parts, *heads])
    assert all(cells.keys() == set(FAMILIES) for cells in found["components"].values())
    assert found["digests"] == mapped.located.parts
    assert (found["model"], found["suite"], found["split"]) == ("small", "tiny", "discovery")
    layers = {f"L{layer}": found["over_all_families"][f"L{layer}"] for layer in range(LAYERS)}
    assert max(layers, key=layers.__getitem__) == f"L{HUB}"
    for component, cells in found["components"].items():
        typical = math.prod(cells.values()) ** (1 / len(cells))
        assert found["over_all_families"][component] == pytest.approx(typical)


def test_a_cell_of_the_map_is_what_leaving_the_layer_out_does(mapped: Mapped) -> None:
    """By plain torch: the layer's output becomes its input; the mean of logs within templates, then over them."""
    module = AutoModelForCausalLM.from_pretrained(mapped.located.folder, dtype=torch.float32).eval()
    (block, _) = discovery(mapped)
    logs = defaultdict(list)
    for example in block.examples:
        ids = torch.tensor([example.clean_ids])
        with torch.inference_mode():
            clean = module(input_ids=ids).logits[0, -1].log_softmax(-1)
            layer = module.model.layers[HUB]
            hook = layer.register_forward_hook(lambda _m, inputs, _o: inputs[0])
            without = module(input_ids=ids).logits[0, -1].log_softmax(-1)
            hook.remove()
        kl = float((clean.exp() * (clean - without)).sum())
        logs[example.template].append(math.log(max(kl, 1e-4)))
    means = [math.fsum(each) / len(each) for each in logs.values()]
    expected = math.exp(math.fsum(means) / len(means))
    assert mapped.document["components"][f"L{HUB}"][block.family] == pytest.approx(expected, rel=1e-3)


def discovery(mapped: Mapped, split: str = "discovery") -> Any:
    suite = discovery_suite(mapped.desk.workspace, Asked("small", "tiny"))
    return generate_blocks(suite, mapped.located, 1, mapped.desk.root, split)  # type: ignore[arg-type]


def test_what_was_looked_at_is_not_what_drafts_are_tried_on(mapped: Mapped) -> None:
    seen, tried = discovery(mapped), discovery(mapped, "verification")
    measured = mapped.document["families"]
    assert {block.family: block.digest for block in seen} == {name: each["digest"] for name, each in measured.items()}
    for before, after in zip(seen, tried, strict=True):
        templates = [{example.template for example in block.examples} for block in (before, after)]
        assert all(templates)
        assert templates[0].isdisjoint(templates[1])
        assert {e.clean for e in before.examples}.isdisjoint(e.clean for e in after.examples)
    for family in Library().suite("main-12").families or ():
        known = find_family(family)
        names = [{each.name for each in side} for side in (known.split("discovery"), known.split("verification"))]
        assert (len(names[0]), len(names[1]) >= 30) == (10, True), family
        assert names[0].isdisjoint(names[1]), family


def test_the_estimate_comes_before_the_first_family_and_what_it_took_at_the_end(mapped: Mapped) -> None:
    kinds = [text.split()[0].rstrip(":") for text in mapped.said]
    assert kinds == ["28", "estimate", *FAMILIES, "took"]
    assert all("GB" in text or "MB" in text for text in (mapped.said[1], mapped.said[-1]))


def test_a_draft_that_names_the_hub_is_tried_and_one_that_names_another_layer_fails(mapped: Mapped) -> None:
    desk = mapped.desk
    drafts = mapped.out / "claims" / "small"
    assert {path.parent for path in mapped.files if path.suffix == ".yaml"} == {drafts}
    shutil.copytree(drafts, desk.root / "claims" / "small")
    text = (drafts / "draft-top-layer.yaml").read_text()
    assert f'"component": "L{HUB}"' in text
    wrong = text.replace("draft-top-layer", "wrong-layer").replace(f'"L{HUB}"', '"L1"')
    (desk.root / "claims" / "small" / "wrong-layer.yaml").write_text(wrong)
    claims, _ = load(desk.workspace)
    assert {path.stem for path in drafts.iterdir()} < {name.partition("/")[2] for name in claims}
    result = desk.audit("small/*")
    assert result.verdicts["small/draft-top-layer"].grade == "High"
    assert result.verdicts["small/draft-top-mlp"].grade == "High"
    assert "untrained_model reaches" in result.verdicts["small/draft-spare-layer"].reason
    assert result.verdicts["small/wrong-layer"].grade == "Refuted"


def test_a_planted_model_in_a_folder_with_rows_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, into the workspace itself: drafts stand where `audit` reads them."""
    planted = build("single_hub", 0)
    save(planted, tmp_path / "Planted_Model")
    desk = Desk(tmp_path)
    (tmp_path / "specs" / "library" / "suites").mkdir(parents=True)
    (tmp_path / "specs" / "library" / "suites" / "rows.yaml").write_text(
        "suite: rows\njsonl: Planted_Model/suite.jsonl\n"
    )
    (tmp_path / "claims").mkdir()
    desk.write("planted/other", planted_claim("L4"))
    monkeypatch.chdir(tmp_path)
    command = ("map", "Planted_Model", "--suite", "rows", "--kinds", "layer,mlp", "--out", ".", "--device", "cpu")
    assert run(app, command) == 0
    said = capsys.readouterr().out
    assert said.index("estimate") < said.index("took")
    assert "mi-atlas audit 'planted-model/draft-*'" in said
    assert "put " not in said
    claims, _ = load(desk.workspace)
    draft: Any = claims["planted-model/draft-top-layer"].claim
    assert draft.expect.component == "L1"
    assert draft.model.source.path == "Planted_Model"
    result = desk.audit("*/draft-top-*", "planted/other")
    grades = {name: verdict.grade for name, verdict in result.verdicts.items()}
    assert grades["planted-model/draft-top-layer"] == grades["planted-model/draft-top-mlp"] == "High"
    assert grades["planted/other"] == "Refuted"


def planted_claim(component: str) -> dict[str, Any]:
    return claim(component, model={"source": {"path": "Planted_Model"}}, suite="rows")


def test_nothing_is_overwritten_and_nothing_is_measured_for_it(mapped: Mapped) -> None:
    before = {path: path.read_bytes() for path in mapped.files}
    said: list[str] = []
    for present in ("map.json", "map.html", "claims/small/draft-top-layer.yaml"):
        other = mapped.desk.root / f"other-{Path(present).name}"
        (other / present).parent.mkdir(parents=True)
        (other / present).write_text("somebody's")
        with pytest.raises(UsageError, match="exists, and nothing is overwritten"):
            map_model(mapped.desk.workspace, Asked("small", "tiny", out=other), said.append)
        assert [path for path in other.rglob("*") if path.is_file()] == [other / present]
        assert (other / present).read_text() == "somebody's"
    config = next(path for path in mapped.files if path.name == "adapter_config.json")
    asked = Asked("small", "tiny", out=mapped.desk.root / "new", lora_config=config)
    with pytest.raises(UsageError, match="adapter_config"):
        map_model(mapped.desk.workspace, asked, said.append)
    assert not said
    assert {path: path.read_bytes() for path in mapped.files} == before


def test_what_cannot_be_mapped_is_said_before_anything_is_measured(mapped: Mapped, tmp_path: Path) -> None:
    def refused(error: type[Exception], match: str, model: str = "small", **changes: Any) -> None:
        with pytest.raises(error, match=match):
            map_model(mapped.desk.workspace, Asked(model, "tiny", **{"out": tmp_path} | changes), pytest.fail)

    refused(UsageError, "no map of `neuron`", kinds=("neuron",))
    refused(UsageError, "has 4 layers; --layers asks for 9", lora_config=tmp_path / "x.json", layers=9)
    refused(SpecError, "smal", model="smal")
    refused(MachineError, "weights of nobody/nothing are not on this machine", model="nobody/nothing")
    assert list(tmp_path.iterdir()) == []
    assert find_target(mapped.desk.workspace, "some/Model-1.5B").folder == "model-1-5b"


def test_the_page_asks_nothing_of_any_network_and_escapes(mapped: Mapped) -> None:
    page = (mapped.out / "map.html").read_text()
    assert "Layers skipped" in page
    assert "small/draft-top-layer" in page
    assert "default-src 'none'" in page
    assert f"L{HUB}" in page
    assert page.count("<svg") > len(FAMILIES)
    for text in (page, render_map("<script>alert(1)</script>", mapped.located, (), "<b>", ["<i>"])):
        assert "<script>alert" not in text
        assert "<b>" not in text
        assert "<i>" not in text
        assert " src=" not in text
        assert "http://" not in text
        assert "https://" not in text


def test_the_adapter_attaches_where_the_map_is_strongest(mapped: Mapped) -> None:
    config = LoraConfig.from_pretrained(str(mapped.out / "adapter"))
    assert isinstance(config, LoraConfig)
    model = AutoModelForCausalLM.from_pretrained(mapped.located.folder, dtype=torch.float32)
    effects = mapped.document["over_all_families"]
    stronger = max(effects[f"L{HUB}.operator"], effects[f"L{HUB}.mlp"])
    inside = {"operator": ("self_attn", "qkvo"), "mlp": ("mlp", ("gate", "up", "down"))}
    expected = {
        f"model.layers.{HUB}.{module}.{name}_proj"
        for part, (module, names) in inside.items()
        if effects[f"L{HUB}.{part}"] >= 0.5 * stronger
        for name in names
    }
    assert expected
    assert adapted(model, config) == expected


def adapted(model: Any, config: LoraConfig) -> set[str]:
    """Names of the modules that have an adapter in the wrapped model."""
    wrapped = get_peft_model(model, config)
    named = {name.rpartition(".lora_A")[0] for name, _ in wrapped.named_modules() if ".lora_A." in name}
    return {name.removeprefix("base_model.model.") for name in named}


def test_layers_of_different_make_are_targeted_by_their_own_names() -> None:
    """LFM2: convolution, attention, convolution; the MLP of layer 0 is too weak, of layer 1 only the MLP matters."""
    model = micro("Lfm2")
    effects = {"L0": 2.0, "L1": 3.0, "L2": 0.1, "L0.operator": 1.0, "L0.mlp": 0.4, "L1.operator": 0.1, "L1.mlp": 1.0}
    document = lora_config(model, effects, 2, None)
    own = {f"model.layers.0.conv.{name}" for name in ("in_proj", "out_proj")}
    mlp = {f"model.layers.1.feed_forward.{name}" for name in ("w1", "w2", "w3")}
    assert adapted(model, LoraConfig(**document)) == own | mlp
    alike = lora_config(micro("Llama"), {"L0.mlp": 1.0, "L1.mlp": 0.2, "L2.mlp": 0.9}, 2, None)
    assert alike["layers_to_transform"] == [0, 2]
    names = {f"model.layers.{layer}.mlp.{name}_proj" for layer in (0, 2) for name in ("gate", "up", "down")}
    assert adapted(micro("Llama"), LoraConfig(**alike)) == names
    with pytest.raises(UsageError, match="needs a map of layers"):
        lora_config(model, {"L0.head1": 1.0}, 1, None)


def expectations(effects: dict[str, float]) -> dict[str, Any]:
    found = {}
    for name, text in drafted(effects, ABOUT).items():
        line = next(line for line in text.splitlines() if line.startswith("expect: "))
        found[name.partition("/")[2]] = json.loads(line.removeprefix("expect: "))
    return found


def test_what_stands_out_is_drafted_with_room_and_what_does_not_is_left() -> None:
    found = expectations(
        {
            **{"L0": 0.004, "L1": 2.0, "L2": 1.9},
            **{"L0.operator": 0.5, "L1.operator": 0.02, "L2.operator": 0.0001},
            **{"L0.mlp": 0.1, "L1.mlp": 0.2, "L2.mlp": 1.0},
        }
    )
    assert found["draft-spare-layer"] == {"form": "threshold", "component": "L0", "at_most": 0.01}
    ratio = found["draft-mlp-against-operator"]
    assert (ratio["numerator"], ratio["denominator"]) == ({"component": "L1.mlp"}, {"component": "L1.operator"})
    assert ratio["at_least"] == 5.0, "10 was seen, 6.7 is left with room; the dead operator of layer 2 makes no ratio"
    assert found["draft-top-operator"]["component"] == "L0.operator"
    assert "draft-top-layer" not in found, "2.0 does not lead 1.9"
    assert "draft-top-head" not in found
    tie = dict.fromkeys(("L0.head0", "L0.head1", "L1.head0"), 0.3)
    assert expectations(tie) == {}


def test_bounds_are_round_and_on_the_right_side() -> None:
    assert [rounded(value, up=True) for value in (0.0061, 0.01, 1.3, 9.0)] == [0.01, 0.01, 1.5, 10.0]
    assert [rounded(value, up=False) for value in (0.0061, 0.01, 1.3, 9.0)] == [0.005, 0.01, 1.2, 5.0]
