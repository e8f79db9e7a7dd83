"""The private stack: real PostgreSQL, RabbitMQ and Redis for development, tests and the demo.

    with LocalStack(folder) as urls: ...         # servers of our own, gone afterwards
    with discover(settings, folder) as urls: ... # those of the settings, else of our own

Everything here is synchronous and starts no thread. The servers listen on loopback, on free
ports, behind a password that lies in the data folder. They die with the thread that started them,
however it dies. Linux only: the kernel's parent-death signal makes the last promise.
"""

from workers.local.stack.discover import discover
from workers.local.stack.local_stack import LocalStack
from workers.local.stack.server_urls import ServerUrls

__all__ = ["LocalStack", "ServerUrls", "discover"]
