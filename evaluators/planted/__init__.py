"""evaluators/planted: models whose causal structure is known because it was put there. Names only; no torch here.

`kinds.build(kind, seed)` makes one, `kinds.prove` checks that it is what it says, `folder.save` writes it as any
model is written, with a suite, so that claims about it can be audited.
"""

KINDS = (
    "dead_layer",
    "single_hub",
    "induction",
    "lookup",
    "backup_head",
    "tie",
    "norm_explosion",
    "steering_direction",
)
"""One file each, of the same name."""
