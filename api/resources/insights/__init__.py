"""Insights: one module for each, with its Structs and its handler.

A new one is a query and a method in `pipeline.reads`, a module like `spending` here, and one
line with `versioned=True` in `api.routes`. ETag, 304 and cache come from `answer_versioned`.
The dates of a query come from `period`.
"""
