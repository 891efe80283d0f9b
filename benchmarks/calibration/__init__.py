"""benchmarks: how often grades are wrong, on thousands of simulated claims and on claims about models."""
