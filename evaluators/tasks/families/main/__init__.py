"""evaluators/tasks/families/main: the twelve families that claims about a model as a whole are tested on."""
