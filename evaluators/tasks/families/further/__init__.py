"""evaluators/tasks/families/further: families beside the twelve, for claims beyond the suite they were found on."""
