"""evaluators: how a run is measured: pure functions from a run to measurements. No store, no grades.

Importing this package is cheap; torch and transformers are imported by the modules that compute.
"""
