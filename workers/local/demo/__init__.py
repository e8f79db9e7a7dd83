"""The demonstration: real card purchases through the running system, as its two clients see it.

A bank-feed integration pushes, a mobile app reads back. Both speak HTTP and nothing else, so what
they find is what any client would find.
"""
