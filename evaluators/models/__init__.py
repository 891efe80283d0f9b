"""evaluators/models: finding, fetching and loading the models that are measured.

`locate` imports no torch: it says what a model is, digest by digest, without loading it.
"""
