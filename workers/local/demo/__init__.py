"""The demonstration: real card purchases go through the running system over HTTP.

A bank-feed integration pushes and a mobile app reads back, both with the public `client` package.
"""
