"""Programs and helpers that the tests use."""
