"""The load of a user base on a running system, and what it costs: a seeded model, HTTP, arithmetic.

It knows the system by its API only, and by what the kernel says of processes that it was told of.
"""
