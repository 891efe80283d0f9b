"""evaluators/replay: the replay engine: interventions as data, measured many at a time.

replay = Replay(model)
site = Site(3, "mlp")
mean = replay.captures(prompts, [site])[site].mean(0)
measured = replay.run(prompts, [Intervention(site, Zero()), Intervention(site, Constant(mean))])
measured.values["kl"]  # [intervention, prompt], nats
"""

from .engine import Replay
from .generate import Generated
from .prompts import Positions
from .readout import (
    Contrast,
    Measured,
    Quantity,
    Readout,
    kl,
    log_probability,
    logit_difference,
    logits,
    top1,
    top5_overlap,
)
from .values import Add, Constant, Donor, Intervention, MatchedNormNoise, Noise, ResidualZero, Value, Zero

__all__ = [
    "Add",
    "Constant",
    "Contrast",
    "Donor",
    "Generated",
    "Intervention",
    "MatchedNormNoise",
    "Measured",
    "Noise",
    "Positions",
    "Quantity",
    "Readout",
    "Replay",
    "ResidualZero",
    "Value",
    "Zero",
    "kl",
    "log_probability",
    "logit_difference",
    "logits",
    "top1",
    "top5_overlap",
]
