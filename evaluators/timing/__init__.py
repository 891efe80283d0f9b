"""evaluators/timing: how long a model takes and what it holds, measured in a process of its own."""
