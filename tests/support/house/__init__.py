"""Measures how the code of a checkout is built, from its source text alone.

`python -m tests.support.house` prints one table. `--tree FOLDER` measures another checkout, which is
parsed and never imported.
"""
