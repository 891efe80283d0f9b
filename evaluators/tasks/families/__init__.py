"""evaluators/tasks/families: one file per task family; a file here registers itself."""
