"""What somebody would build instead: one message and one row at a time, or rules inside SQL.

Each peer does less than the pipeline (no identity, no positions, no ledger, no event) and gets
the same rows, servers and cores.
"""
