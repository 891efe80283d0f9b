"""tests of engine/grade."""
