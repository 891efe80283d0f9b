"""evaluators/writing: what models write: prompts, batches of them, and where an answer ends."""
