"""evaluators/tasks/families/natural: the twelve main families put in plain English, without code, markup or lists."""
