"""tests: every packaged map reads a small file of its format: one number of each, by hand."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from mi_atlas.specs.library import Library

from .conftest import Folder


class Expected(NamedTuple):
    """One number that must be among those read."""

    evaluator: str
    quantity: str
    component: str
    value: float
    intervention: str = "none"
    family: str = ""
    unit: str = ""
    n: int = 1


LAST, SUM, MEAN = "nats", "nats, sum over positions", "nats, mean over positions"
LONG = "nats, mean over training, padding included"
QWEN = {"model": "Qwen/Qwen2.5-0.5B"}
LFM2 = {"model": "LiquidAI/LFM2.5-230M"}


def kl(component: str, value: float, family: str, unit: str = LAST, intervention: str = "zero", n: int = 1) -> Expected:
    return Expected("ablation", "kl", component, value, intervention, family, unit, n)


FAM = {"families": ["arithmetic", "verbosity_control"]}
SFT = {"id": "alpaca_r4", "final_loss": 6.2, "kl_shift": 0.07, "trainable_params": 106496, "hub_kls": {"L2": 0.99}}
JUDGED = [
    {
        "eval_id": "e1",
        "category": "coding",
        "mode": "pointwise",
        "judge_source": "api",
        "scores": {"overall": 4, "concision": 5},
    },
    {"eval_id": "e2", "category": "coding", "mode": "pointwise", "judge_source": "mock", "scores": {"overall": 1}},
]
STEP = {"layer": 2, "mean_kl": 17.29, "std_kl": 1.7, "n": 200}
METHODS = {"mean_kl": 9.2, "std_kl": 0.4, "n_prompts": 3}
SWEEP = {"strength": -4.0, "per_prompt": [{"kl_divergence": 0.43, "target_logit_delta": 0.34}]}

FILES: dict[str, tuple[str, Any, Expected]] = {
    "layer-zero-seeds": (
        "results/phase3_ablation_Qwen2.5-0.5B_seed42.json",
        {**QWEN, **FAM, "n_layers": 2, "effect_matrix": [[7.4, 7.2], [1.0, 2.5]]},
        kl("L1", 2.5, "verbosity"),
    ),
    "layer-zero-replication": (
        "phase3_ablation_replication_Qwen2.5-1.5B.json",
        {"mean_across_seeds": [[1.0, 3.5]], "std_across_seeds": [[0.0, 0.0]]},
        kl("L0", 3.5, "code_semantics"),
    ),
    "layer-zero": ("layer_ablation_zero.json", {**FAM, "effect_matrix": [[1.0, 2.0]]}, kl("L0", 1.0, "arithmetic")),
    "mlp-zero": ("mlp_ablation.json", {**FAM, "effect_matrix": [[1.0, 2.0]]}, kl("L0.mlp", 2.0, "verbosity")),
    "layer-zero-1.5b": (
        "layer_ablation_1.5b.json",
        {"effect_matrix": {"copying": [1.0, 2.0]}},
        kl("L1", 2.0, "copying"),
    ),
    "mlp-zero-1.5b": (
        "mlp_ablation_1.5b.json",
        {"effect_matrix": {"copying": [1.0, 2.0]}},
        kl("L1.mlp", 2.0, "copying"),
    ),
    "layer-zero-3b": (
        "third_scale_layer_ablation_seed1.json",
        {**FAM, "effect_matrix": [[0.0625, 2.0]]},
        kl("L0", 0.0625, "arithmetic"),
    ),
    "mlp-zero-3b": (
        "third_scale_mlp_ablation_seed1.json",
        {**FAM, "effect_matrix": [[1, 2]]},
        kl("L0.mlp", 1, "arithmetic"),
    ),
    "head-slices": (
        "head_ablation.json",
        {**FAM, "row_labels": ["L2H0", "L2H1"], "effect_matrix": [[1.0, 2.0], [3.0, 4.0]]},
        kl("slice L2H1", 3.0, "arithmetic"),
    ),
    "heads-1.5b": (
        "head_ablation_1.5b.json",
        {"results": {"copying": {"3": [0.1, 0.2]}}},
        kl("L3.head1", 0.2, "copying"),
    ),
    "heads-3b": (
        "third_scale_head_ablation_seed1.json",
        {"results": [{"layer": 7, "heads": {"head_02": {"mean_effect": 0.5}}}]},
        kl("slice L7H2", 0.5, ""),
    ),
    "ablation-values": (
        "ablation_controls_qwen05b.json",
        {**QWEN, "results": [{"layer_idx": 2, "by_ablation_type": {"gaussian_resample": {"copying": METHODS}}}]},
        kl("L2", 9.2, "copying", intervention="noise", n=3),
    ),
    "ablation-methods": (
        "phase3_ablation_methods_Qwen2.5-0.5B.json",
        {"method_results": {"mean": {"effect_matrix": [[0.5] * 12]}}},
        kl("L0", 0.5, "uncertainty", intervention="mean", n=5),
    ),
    "natural-language-hubs": (
        "phase3_natural_language_hubs_Qwen.json",
        {"family_results": {"copying": {"per_layer_kl": [STEP]}}},
        kl("L2", 17.29, "copying", n=200),
    ),
    "coder-hubs": (
        "phase3_coder_atlas.json",
        {"family_results": {"copying": {"per_layer_kl": [STEP]}}},
        kl("L2", 17.29, "copying", n=200),
    ),
    "cross-family": (
        "cross_family_smollm2-17b.json",
        {"model": "HuggingFaceTB/SmolLM2-1.7B", "tasks": {"json": {"ablation": {"0": 3.2, "1": 3.2}}}},
        Expected("ablation", "target_logprob_drop", "L1", 3.2, "zero", "json_schema", LAST, 3),
    ),
    "module-zero": (
        "phase3_module_ablation_Qwen2.5-0.5B.json",
        {"layers": {"L2": {"modules": {"q_proj": {"copying": {"mean_kl": 0.3, "std_kl": 0.1, "n": 5}}}}}},
        kl("L2.q_proj", 0.3, "copying", n=5),
    ),
    "position-zero": (
        "phase3_position_ablation_Qwen2.5-0.5B.json",
        {**QWEN, "per_layer_per_family": {"L03": {"copying": {"bos": 1.5, "content": 0.2}}}},
        kl("L3@first", 1.5, "copying"),
    ),
    "position-specific": (
        "position_specific_ablation.json",
        {"aggregate": {"2": {"answer": {"mean": 0.9, "max": 2, "n": 33}}}},
        Expected("ablation", "target_logprob_drop", "L2@last", 0.9, "zero", "", LAST, 11),
    ),
    "long-prompts": (
        "long_task_robustness_qwen05b_ablation_seed1.json",
        {"results": {"copying_long": {"effect_matrix": [[1.0], [2.0]]}}},
        kl("L1", 2.0, "copying_long", n=3),
    ),
    "checkpoint-timeline": (
        "checkpoint_timeline.json",
        {"ablation_maps": {"step_0": {"copying": {"L2": 11.8}}}, "checkpoint_losses": {"step_0": None, "step_10": 0.5}},
        Expected("ablation", "target_logprob_drop", "L2", 11.8, "zero", "copying", LAST, 3),
    ),
    "dataset-shards": (
        "dataset_shard_ablation.json",
        {"ablation_maps": {"shard_a": {"copying": {"L2": 1.0}}}},
        Expected("ablation", "target_logprob_drop", "L2", 1.0, "zero", "copying", LAST, 3),
    ),
    "layer-skipping": (
        "layer_skipping_early_exit.json",
        {
            "part1_layer_skipping": [
                {"config": "skip_L3_L4_L5", "prompts": [{"family": "copying", "kl": 9.0, "top5_overlap": 0.2}]}
            ],
            "part2_early_exit": [
                {"exit_layer": 20, "prompts": [{"family": "copying", "kl": 1.0, "top5_overlap": 1.0}]}
            ],
        },
        Expected("skipping", "top5_loss", "L3+L4+L5", 0.8, "skip", "copying"),
    ),
    "layer-skipping-others": (
        "efficiency_1.5b.json",
        '{"layer_skip": [{"config": "skip_3", "mean_kl": 7.5, "mean_top5_overlap": 0.1, "speed": Infinity}]}',
        Expected("skipping", "kl", "skip_3", 7.5, "skip", "", LAST, 15),
    ),
    "lfm2-atlas": (
        "lfm2_230m_correct_atlas_seed42_20260629_004843.json",
        {
            **LFM2,
            "n_layers": 2,
            "conv_layers": [0, 1],
            "results": {
                "operator_zero": {"harmless_refusal": {"kl_per_layer": [30.0, 2.8], "top1_agreement": [0.1, 0.7]}},
                "conv_gate_analysis": {"gate_zero": {"copying": [20.0, 2.0]}},
                "residual_norms": {"copying": {"L0": 2.0}},
                "steering_sweep": {"L0(c)": [15.6] * 8},
            },
        },
        kl("L1.operator", 2.8, "refusal_style", SUM, n=5),
    ),
    "lfm2-heads": (
        "lfm2_230m_head_atlas_seed42_20260629_004843.json",
        {"head_ablation": {"copying": {"L4_H11": 0.9}}, "cross_layer_patching": {"a_b": {"3": 1.0}}},
        kl("slice L4H11", 0.9, "copying", MEAN, n=3),
    ),
    "lfm2-probes": (
        "lfm2_230m_per_token_loss_20260629_004843.json",
        {"prompt_0": {"mean_loss": 2.5}},
        Expected("probe", "mean_loss", "model", 2.5, unit="as recorded"),
    ),
    "lfm2-cka": (
        "lfm2_230m_cka_similarity_20260629_012446.json",
        {"labels": ["embed", "L0"], "matrix": [[1.0, 0.84], [0.84, 1.0]]},
        Expected("representation", "cka", "L0.residual", 0.84, "observe", n=4),
    ),
    "lfm2-logit-lens": (
        "lfm2_230m_logit_lens_20260629_012446.json",
        {"prompt_0": {"predictions": {"embed": {"entropy": 0}, "L1": {"top5_probs": [0.2, 0.1], "entropy": 5.5}}}},
        Expected("representation", "lens_entropy", "L1.residual", 5.5, "observe", unit="nats"),
    ),
    "lfm2-kernels": (
        "lfm2_230m_conv_kernel_20260629_012446.json",
        {"L13": {"pos_magnitude": [0.002, 0.008, 0.222]}},
        Expected("weights", "kernel_magnitude", "L13.conv, current token", 0.222, "observe"),
    ),
    "activation-patching": (
        "activation_patching.json",
        {"attn": [{"patching_results": {"layer_03": {"normalized_recovery": 0.4}}}]},
        Expected("patching", "recovery", "L3.operator", 0.4, "denoising"),
    ),
    "patching-pairs": (
        "patching_kl_v1.json",
        {"effect_matrix": [[0.4, -8e8]], "counts": [[2, 3]]},
        Expected("patching", "recovery", "L0.residual", -8e8, "denoising", n=3),
    ),
    "cross-model-patching": (
        "cross_model_patching.json",
        {
            "results": [
                {
                    "pair_id": "c0",
                    "family": "copying",
                    "base_kl_to_trained": 0.1,
                    "layer_results": [{"layer": 4, "kl_recovery": 0.5, "lp_recovery": 0.6}],
                }
            ]
        },
        Expected("cross_model", "recovery", "L4.residual", 0.5, "trained_into_base", "copying"),
    ),
    "adapter-ablation": (
        "adapter_ablation.json",
        {
            "n_layers": 24,
            "adapter_norms": {"0": {"combined_norm": 3.3}},
            "results": [
                {
                    "prompt": "p",
                    "family": "copying",
                    "total_adapter_kl": 0.05,
                    "layer_results": [{"layer": 3, "ablation_kl": 0.01, "effect_fraction": 0.2}],
                }
            ],
        },
        Expected("adapter", "adapter_norm", "L0", 3.3, "remove_adapter"),
    ),
    "adapter-ablation-1.5b": (
        "adapter_ablation_1.5b.json",
        {"adapter_norms": {"0": 3.5}, "results": [{"layers": [{"layer": 3, "fraction": 0.2}]}]},
        Expected("adapter", "kl_share", "L3", 0.2, "remove_adapter"),
    ),
    "cross-model-patching-1.5b": (
        "cross_model_patching_1.5b.json",
        {
            "results": [
                {
                    "pair_id": "c0",
                    "family": "copying",
                    "base_kl_to_trained": 0.1,
                    "layer_results": [{"layer": 4, "kl_recovery": 0.5}],
                }
            ]
        },
        Expected("cross_model", "recovery", "L4.residual", 0.5, "trained_into_base", "copying"),
    ),
    "adapter-knockout-3b": (
        "third_scale_final_layer_patch_seed1.json",
        {"results": [{"layer": 35, "mean_knockout_kl": 0.7}]},
        Expected("adapter", "kl", "L35", 0.7, "remove_adapter", unit=LAST, n=3),
    ),
    "steering-migration": (
        "steering_migration_qwen05b.json",
        {
            **QWEN,
            "single_layer_results": [
                {
                    "layer_idx": 21,
                    "single_layer": {"target": {"strength_sweep": [SWEEP]}, "random": {"strength_sweep": [SWEEP]}},
                }
            ],
        },
        Expected("steering", "kl", "L21.residual", 0.43, "steer(-4)", unit=LAST),
    ),
    "steering-sweep": (
        "steering_sweep_v2.json",
        [{"name": "json", "layer": 2, "sweeps": [{"results": [{"strength": 2.0, "kl": 0.7}]}]}],
        Expected("steering", "kl", "L2.residual", 0.7, "steer(2.0)", unit=LAST),
    ),
    "steering-strengths": (
        "phase3_steering_hf_Qwen_seed42.json",
        {**QWEN, "layers": {"L2": {"strengths": {"-4.0": {"mean_kl": 0.02, "std_kl": 0.01, "n": 5}}}}},
        Expected("steering", "kl", "L2.residual", 0.02, "steer(-4)", unit=LAST, n=5),
    ),
    "steering-quantised": (
        "phase3_quant_atlas_Qwen2.5-0.5B_4bit.json",
        {"steering": {"2": [{"strength": 4.0, "mean_kl": 10.0, "std_kl": 1.0}]}},
        Expected("variants", "steering_kl", "nf4", 10.0, "steer(4.0)", unit=LAST, n=3),
    ),
    "skill-knockout": (
        "skill_knockout.json",
        {
            "results": [
                {
                    "skill": "factual_recall",
                    "layer_data": [
                        {
                            "layer": 19,
                            "selectivity": {
                                "-2.0": {
                                    "mean_skill_drop": 0.0117,
                                    "mean_non_skill_drop": -0.0004,
                                    "selectivity_ratio": 11654.0,
                                }
                            },
                        }
                    ],
                }
            ]
        },
        Expected("knockout", "selectivity", "L19.residual", 11654.0, "anti(2)", "factual_recall", n=2),
    ),
    "skill-knockout-1.5b": (
        "skill_knockout_1.5b.json",
        [{"skill": "json_schema", "layer_data": [{"layer": 5, "selectivity": 2.0, "mean_non_skill_drop": 0.01}]}],
        Expected("knockout", "selectivity", "L5.residual", 2.0, "anti", "json_schema", n=2),
    ),
    "steering-per-prompt": (
        "third_scale_steering_sweep_seed1.json",
        {"results": [{"kl": 0.4, "layer": 3}]},
        Expected("steering", "kl", "entry 0", 0.4, "steer", unit="as recorded"),
    ),
    "atlas-lora": (
        "phase3_atlas_lora_Qwen2.5-0.5B_json_schema.json",
        {
            **QWEN,
            "family": "json_schema",
            "seed": 42,
            "strategies": {
                "all_linear": {
                    "trainable_params": 4399104,
                    "final_loss": 0.007,
                    "eval": {"per_prompt": [{"prompt": "Bob", "exact_match": 1.0}]},
                }
            },
        },
        Expected("training", "exact_match", "all_linear", 1.0, "train", "json_schema"),
    ),
    "lora-modules": (
        "phase3_module_sweep_Qwen2.5-0.5B.json",
        {**QWEN, "seed": 42, "module_results": {"o_proj": {"train_loss": 0.57, "n_trainable": 344064}}},
        Expected("training", "parameters", "o_proj", 344064, "train"),
    ),
    "lora-ranks": (
        "lora_rank_sweep.json",
        {"r4": {"train_loss": 0.6, "adapter_norms": {"layer_03": 1.5}}},
        Expected("training", "training_loss", "r4", 0.6, "train", unit="nats, mean over training"),
    ),
    "adapter-archaeology": (
        "adapter_archaeology.json",
        {"json": {"layer_norms": {"3": 1.5}, "layer_eff_rank": {"3": 2.5}}},
        Expected("adapter", "effective_rank", "json L3", 2.5),
    ),
    "adapter-stacking": (
        "adapter_stacking.json",
        {"base_scores": {"copying": -3.0}, "stack_results": {"a+b": {"copying": {"score": -2.0, "expected": -1.0}}}},
        Expected("training", "target_logprob", "a+b", -2.0, "train", "copying", "nats", 5),
    ),
    "skill-separability": (
        "skill_separability_v1.json",
        {"skills": {"json": {"skill_separability_score": 0.6}}},
        Expected("adapter", "skill_separability_score", "json", 0.6),
    ),
    "separability-table": (
        "results/summaries/separability.csv",
        [{"skill": "json", "score": 0.6}],
        Expected("adapter", "score", "row 0", 0.6),
    ),
    "exact-match-by-family": (
        "lora_json_comparison.json",
        {"after": {"family_means": {"copying": {"exact_match": 0.5}}}},
        Expected("training", "exact_match", "after", 0.5, "train", "copying"),
    ),
    "lfm2-sft-sweeps": (
        "lfm2_sft_sweep_20260629_034308.json",
        {"results": [SFT, {"id": "x", "error": "no valid examples"}]},
        Expected("training", "training_loss", "r4", 6.2, "train", unit=LONG),
    ),
    "lfm2-sft-runs": (
        "lfm2_sft2_alpaca_r4_20260629_034308.json",
        SFT,
        Expected("training", "kl_from_base", "r4", 0.07, "train", unit=LAST, n=10),
    ),
    "lfm2-loras": (
        "lfm2_230m_rank_sweep_seed42_20260629_012923.json",
        {"results": [{"rank": 2, "trainable_params": 16384, "final_loss": 9.1, "kl_shift": 0.008}]},
        Expected("training", "training_loss", "r2", 9.1, "train", unit=LONG),
    ),
    "trainer-states": (
        "adapters/json/checkpoint-100/trainer_state.json",
        {"log_history": [{"step": 10, "loss": 2.5, "grad_norm": 1.0}]},
        Expected("training", "training_loss", "json, step 10", 2.5, "train", unit="nats, one minibatch"),
    ),
    "qualitative": (
        "qualitative_1.5b_4bit.json",
        {
            "model": "Qwen/Qwen2.5-1.5B",
            "results": [{"id": "code_001", "tokens_per_second": 10.3, "scores": {"is_repetitive": True}}],
        },
        Expected("throughput", "decode_rate", "nf4", 10.3, "time", unit="tokens/s"),
    ),
    "lfm2-capabilities": (
        "lfm2_230m_capability_benchmark_20260629_013730.json",
        {**LFM2, "capabilities": {"ner": {"score": 0.8, "per_test": [1.0, 0.5]}, "math": {"score": 0.5, "total": 2}}},
        Expected("generation", "passed", "as_is", 0.5, "generate", "entity_extraction"),
    ),
    "lfm2-qualitative": (
        "lfm2_230m_qualitative_20260629_013730.json",
        {"categories": {"factual": [{"prompt": "p", "output": "o", "likely_correct": True}]}},
        Expected("generation", "passed", "as_is", 1.0, "generate", "factual"),
    ),
    "judge-scores": (
        "evals/lfm2_230m_format_ablation_alpaca_flat_20260629/judge_scores.jsonl",
        JUDGED,
        Expected("judged", "score", "flat_instruction", 4.0, "generate", "coding"),
    ),
    "judge-aggregates": (
        "evals/lfm2_230m_base_20260629/aggregate.json",
        {"pointwise": {"category_scores": {"coding": {"avg_scores": {"overall": 3.1}, "count": 17}}}},
        Expected("judged", "mean score of overall", "base", 3.1, "generate", "coding", n=17),
    ),
    "generations": (
        "evals/lfm2_230m_base_20260629/outputs.jsonl",
        [{"eval_id": "e1", "category": "coding", "generation_time": 1.5, "tokens_generated": 20}],
        Expected("generation", "tokens_generated", "base", 20.0, "generate", "coding", "tokens"),
    ),
    "format-losses": (
        "evals/format_ablation_quality/summary.json",
        {"formats": {"alpaca_flat": {"final_loss": 1.73}, "single_turn_chat": {"final_loss": 1.75}}},
        Expected("training", "training_loss", "flat_instruction", 1.73, "train", unit="nats, mean over training"),
    ),
    "best-of-k": (
        "results/phase13/run.json",
        {"seed": 1, "results": {"k4": {"best_of_K_accuracy": 0.4, "clean_eval": {"accuracy": 0.5, "n_total": 15}}}},
        Expected("generation", "exact_match", "k4, clean", 0.5, n=15),
    ),
    "registry": (
        "experiments/registry.jsonl",
        '# a comment\n{"id": "exp_1", "key_metrics": {"hub_kl": 7.5}}\n',
        Expected("as recorded", "hub_kl", "exp_1", 7.5, unit="as recorded"),
    ),
}
"""Map -> a file, its content, and a number in it."""


def test_there_is_a_file_of_every_format() -> None:
    assert set(FILES) == set(Library().maps)


@pytest.mark.parametrize("name", FILES)
def test_a_map_reads_its_format(folder: Folder, name: str) -> None:
    path, content, expected = FILES[name]
    folder.put(path, content)
    rows = [row for row in folder.record().rows if row.source.startswith(f"{name}#")]
    fields = Expected._fields
    read = {Expected(**{field: getattr(row, field) for field in fields}) for row in rows}
    near = {each._replace(value=round(each.value, 9)) for each in read}
    assert expected in near, f"{name} reads {sorted(read)}"


@pytest.mark.parametrize("name", FILES)
def test_pointers_lead_to_the_numbers(folder: Folder, name: str) -> None:
    path, content, _ = FILES[name]
    if isinstance(content, str) or path.endswith(".csv"):
        pytest.skip("its content here is no JSON document")
    folder.put(path, content)
    maps = Library().maps
    for row in folder.record().rows:
        table = maps[row.source.partition("#")[0]].numbers[int(row.source.partition("#")[2])]
        there: Any = json.loads(json.dumps(content))
        for step in row.pointer.split("/")[1:]:
            there = there[int(step)] if isinstance(there, list) else there[step.replace("~1", "/").replace("~0", "~")]
        if not table.rate:
            assert row.value == pytest.approx(1 - there if table.complement else float(there))


def test_copies_of_lfm2_files_and_only_judged_rows_from_an_api_count(folder: Folder) -> None:
    for name in ("lfm2-atlas", "judge-scores"):
        path, content, _ = FILES[name]
        folder.put(path, content)
    path, content, _ = FILES["lfm2-atlas"]
    effects = {family: {"kl_per_layer": [30.0, 2.8]} for family in ("copying", "arithmetic")}
    for seed in (42, 137):
        again = {**content, "seed": seed, "results": {"operator_zero": effects}}
        folder.put(path.replace("seed42", f"seed{seed}"), again)
    record = folder.record()
    atlas = [row for row in record.rows if row.source == "lfm2-atlas#0"]
    assert [bool(row.void) for row in atlas] == [*[False] * 4, *[True] * 4]
    assert {row.prompt for row in record.rows if row.source.startswith("judge-scores")} == {"e1"}
