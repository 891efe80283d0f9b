"""specs: the language: what a claim, a model and a suite are, and how their files are read."""
