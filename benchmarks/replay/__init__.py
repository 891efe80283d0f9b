"""benchmarks: what the replay engine costs beside other ways to the same numbers, and beside the arithmetic itself."""
