"""evaluators/tasks: task families, and the suites of aligned examples that are generated from them."""

from .errors import TaskError
from .example import Block, Example
from .generate import generate
from .sources import source_digest
from .training import TextExample, training_examples

__all__ = ["Block", "Example", "TaskError", "TextExample", "generate", "source_digest", "training_examples"]
