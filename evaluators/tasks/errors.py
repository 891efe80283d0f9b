"""evaluators/tasks: the one error of this room."""


class TaskError(ValueError):
    """A suite that cannot be generated or read; the text says which part, and what would fix it."""
