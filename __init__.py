"""mi-atlas: a claims engine for causal claims about small language models."""

__version__ = "0.1.0"
