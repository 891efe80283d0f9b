"""tests: times and memory: layers that are really gone, bytes by hand, sessions in processes of their own."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators import throughput
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.models.load import LoadedModel, load
from mi_atlas.evaluators.models.locate import Located, locate, untrained
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Intervention, Replay, Zero
from mi_atlas.evaluators.throughput import Throughput
from mi_atlas.evaluators.timing import clock
from mi_atlas.evaluators.timing.layers import shortened
from mi_atlas.evaluators.timing.memory import Meter, weights_bytes
from mi_atlas.evaluators.timing.session import Session, read, written
from mi_atlas.evaluators.writing.decoding import Prompt, write
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.sites import Site

from .conftest import LAYERS, block, micro, wrap

PROMPT = (3, 1, 4, 1, 5, 9)
BLOCKS = [block("made"), block("other", n=5)]
TIMED = {"short": {"prompt_tokens": 4, "new_tokens": 12}, "half": {"new_tokens": 12, "skip": [0, 1, 2]}}


def found(name: str = "pocket-qwen", **held: Any) -> Located:
    located = locate(Model(source=Source(pocket=name), **held), Path())
    assert isinstance(located, Located)
    return located


@pytest.fixture(scope="module")
def qwen() -> LoadedModel:
    return load(found())


@pytest.mark.parametrize("skipped", [(0,), (1,), (2,), (0, 1), (0, 2)])
def test_a_shortened_model_says_what_one_says_whose_layers_add_nothing(
    architecture: str, skipped: tuple[int, ...]
) -> None:
    model = wrap(micro(architecture))
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    if architecture == "lfm2" and 1 in skipped:
        with pytest.raises(NotEvaluated, match="without a layer of attention"), shortened(model.module, skipped):
            pass
        return
    zeroed = tuple(Intervention(Site(layer, "layer"), Zero()) for layer in skipped)
    expected = Replay(model.module).generate([PROMPT], [zeroed], 7).tokens[0, 0].tolist()
    asked = [Prompt(PROMPT, 7)]
    whole = write(model, asked, (), 0.0, "padded")
    with shortened(model.module, skipped):
        assert list(write(model, asked, (), 0.0, "padded")[0].ids) == expected
    assert write(model, asked, (), 0.0, "padded") == whole
    after = model.module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_layers_that_are_left_out_are_not_computed() -> None:
    module, seen = micro("llama"), []
    layers: Any = module.model.layers
    for number, layer in enumerate(layers):
        layer.register_forward_hook(lambda *_, number=number: seen.append(number))
    with shortened(module, (1,)):
        module(torch.tensor([PROMPT]))
    assert seen == [0, 2]


def test_a_layer_that_is_not_there_cannot_be_left_out() -> None:
    for layers, why in ((LAYERS,), "layer 3 cannot be left out of 3"), (range(LAYERS), "without a layer of attention"):
        with pytest.raises(NotEvaluated, match=why), shortened(micro("llama"), layers):
            pass


def test_bytes_of_weights_are_counted_once_where_they_are_shared(architecture: str) -> None:
    module: Any = micro(architecture)
    buffers = sum(each.numel() * each.element_size() for each in module.buffers())
    parameters = 4 * sum(each.numel() for each in module.parameters())
    assert weights_bytes(module) == parameters + buffers
    tied = module.lm_head.weight is module.model.embed_tokens.weight
    assert tied == (architecture != "llama")
    with shortened(module, (0,)):
        less = 4 * sum(each.numel() for each in module.parameters())
        assert weights_bytes(module) == less + buffers < parameters + buffers


def test_bytes_of_quantised_weights_are_what_is_held() -> None:
    pytest.importorskip("bitsandbytes")
    whole, nf4, int8 = (load(found(quantization=each)).module for each in (None, "nf4", "int8"))
    linear = sum(
        part.weight.numel()
        for name, part in whole.named_modules()
        if isinstance(part, torch.nn.Linear) and name != "lm_head"
    )
    # Half a byte, and a scale of 4 bytes for 64 numbers; one byte, and 4 for each row of a matrix.
    assert weights_bytes(whole) - weights_bytes(nf4) == pytest.approx(linear * (4 - 0.5 - 4 / 64), rel=0.02)
    assert weights_bytes(whole) - weights_bytes(int8) == pytest.approx(linear * (4 - 1), rel=0.05)


def test_the_most_that_was_held_is_counted_during_passes_and_before_them() -> None:
    meter, kept = Meter(torch.device("cpu")), []

    def allocate(count: int, keep: int) -> Any:
        def some_pass() -> list[torch.Tensor]:
            made = [torch.zeros(1000) for _ in range(count)]
            kept.extend(made[:keep])
            return []

        return some_pass

    meter.watch(allocate(5, keep=2))
    assert meter.peak == 20_000
    kept.append(torch.zeros(3000))
    meter.watch(allocate(1, keep=1))
    assert meter.peak == 8_000 + 12_000 + 4_000
    meter.watch(lambda: [])
    assert meter.peak == 24_000


def test_what_is_held_grows_with_what_is_cached_and_with_the_weights() -> None:
    module = micro("llama")

    def peak(prompt: int, new: int, copies: int = 1) -> dict[str, float]:
        return clock.held([module] * copies, [[5] * prompt], new, torch.device("cpu"))

    short, long, two = peak(4, 3), peak(40, 3), peak(4, 3, copies=2)
    assert short["bytes"] == long["bytes"] == weights_bytes(module) == two["bytes"] / 2
    # Keys and values of 36 more tokens: 3 layers of 2 heads of 4 numbers of 4 bytes each.
    assert long["peak_memory"] - short["peak_memory"] >= 36 * 2 * LAYERS * 2 * 4 * 4
    assert short["peak_memory"] > short["bytes"]
    assert two["peak_memory"] > 2 * short["bytes"]


def test_a_model_is_handed_to_a_process_as_json() -> None:
    for located in (
        found(),
        untrained(found("pocket-lfm2"), 3),
        replace(found(quantization="nf4"), adapter=Path.cwd()),
    ):
        assert read(json.loads(json.dumps(written(located)))) == located


def measure(model: LoadedModel, *cells: Cell, timed: Any = TIMED, **more: Any) -> dict[Cell, dict[str, list[float]]]:
    materials = Materials(BLOCKS, {"timed": timed}, **more)
    return {each.cell: dict(each.values) for each in Throughput().measure(model, materials, cells)}


def test_sessions_are_processes_whose_conditions_are_measured_together(
    qwen: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[int] = []
    own = Session.measure

    def noted(self: Session) -> dict[str, Any]:
        told = own(self)
        processes.append(told["pid"])
        return told

    monkeypatch.setattr(Session, "measure", noted)
    cells = [Cell(family, site, "time", s) for s in (1, 2) for site in TIMED for family in ("made", "other")]
    doubled = [Cell("made", "short", "time|doubled_work", draw) for draw in (0, 12)]
    got = measure(qwen, *cells, *doubled)
    assert got.keys() == {*cells, *doubled}
    assert len({*processes, os.getpid()}) == 3
    for cell, values in got.items():
        assert values.keys() == {"decode_rate", "prefill_rate", "latency", "peak_memory", "bytes"}
        assert {len(set(each)) for each in values.values()} == {1}
        assert all(0 < each[0] < float("inf") for each in values.values())
        assert {len(each) for each in values.values()} == {6 if cell.family == "made" else 5}
        assert values["peak_memory"][0] > values["bytes"][0]
        # Each of three runs takes longer than its tokens after the first, so its median does.
        assert 1000 * 11 / values["decode_rate"][0] < values["latency"][0]
    for session in (1, 2):
        made, other = (got[Cell(family, "short", "time", session)] for family in ("made", "other"))
        assert {name: value[0] for name, value in made.items()} == {name: value[0] for name, value in other.items()}
    short, half = (got[Cell("made", site, "time", 1)] for site in TIMED)
    assert short["bytes"][0] == weights_bytes(qwen.module) > half["bytes"][0]
    plain = [got[Cell("made", "short", "time", session)]["latency"][0] for session in (1, 2)]
    assert max(got[draw]["latency"][0] for draw in doubled) > min(plain)
    for draw in doubled:
        assert got[draw]["bytes"][0] == 2 * short["bytes"][0]
        assert got[draw]["peak_memory"][0] > 1.9 * short["peak_memory"][0]


def test_what_cannot_be_timed_is_said_and_the_rest_is_measured(qwen: LoadedModel) -> None:
    timed = {"one": {"new_tokens": 1}, "wrong": {"skip": [9]}}
    cells = [Cell("made", name, "time", 1) for name in timed]
    given = Throughput().measure(qwen, Materials(BLOCKS, {"timed": timed}), cells)
    first = next(given)
    assert first.cell == cells[0]
    assert "decode_rate" not in first.values
    with pytest.raises(NotEvaluated, match="wrong: layer 9 cannot be left out of 6 layers"):
        next(given)
    for cell, why in (
        (Cell("made", "two", "time", 1), "nothing is timed under `two`"),
        (Cell("made", "one", "zero", 1), "zero of one is not defined"),
        (Cell("made", "one", "time|mismatched_outputs", 1), "is not defined"),
    ):
        with pytest.raises(NotEvaluated, match=why):
            measure(qwen, cell, timed=timed)


def test_a_process_that_dies_says_why(qwen: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho first >&2\necho no memory is left >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(NotEvaluated, match="the process that measures ended with code 3: no memory is left"):
        measure(qwen, Cell("made", "short", "time", 1))


def test_a_session_is_told_what_is_timed_of_which_model(qwen: LoadedModel) -> None:
    llama = load(found("pocket-llama"))
    timed = {"own": {}, "other": {"model": "pocket-llama", "batch": 3}}
    bench = throughput.Bench(qwen, Materials(BLOCKS, {"timed": timed}, variants={"other": llama}))
    cells = [Cell("made", site, word, 2) for site in timed for word in ("time", "time|doubled_work")]
    job = clock.Job.of(json.loads(json.dumps(bench.job(sorted(cells, key=bench.order)))))
    told = [(work.timed.batch, job.models[work.model].architecture, work.copies) for work in job.works]
    assert sorted(told) == [
        (1, "Qwen2ForCausalLM", 1),
        (1, "Qwen2ForCausalLM", 2),
        (3, "LlamaForCausalLM", 1),
        (3, "LlamaForCausalLM", 2),
    ]
    assert job.threads == torch.get_num_threads()
    assert [bench.order(Cell("made", "own", "time|doubled_work", draw))[0] for draw in (0, 11, 12)] == [1, 12, 1]
    assert bench.order(Cell("made", "own", "time", 7))[0] == 7
    orders = {bench.job([Cell("made", "own", "time", session)])["order"] for session in range(1, 13)}
    assert len(orders) == 12


def test_prompts_are_the_suites_texts_as_long_as_asked(qwen: LoadedModel) -> None:
    asked = throughput.Timed(prompt_tokens=5, batch=3)
    job = clock.Job((), (), ("sheep -> lamb", "cow"), "cpu", 1, "")
    ids = [token for text in job.texts for token in qwen.tokenizer.encode(text).ids]
    whole = (ids * 15)[:15]
    assert clock.Bench(job)._rows(qwen, asked) == [whole[:5], whole[5:10], whole[10:]]
