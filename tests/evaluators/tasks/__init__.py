"""tests: of the task families and the suites made of them."""
