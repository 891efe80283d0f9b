"""tests: whether the answers of each family are right, found in another way than its tables do."""
