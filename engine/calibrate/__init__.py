"""engine: the grades tried on claims whose truth is known: how often a false one is High, and a true one Refuted.

`worlds` draws claims on simulated numbers, each with its truth; `run` takes them through the whole engine, from YAML to
verdict, in ledgers of type calibration; `report` counts.
"""
