"""The private stack: real PostgreSQL, RabbitMQ and Redis for development, tests and the demo.

    with LocalStack(folder) as urls: ...         # private servers, which end with the block
    with discover_servers(settings, folder) as urls: ... # those of the settings, else private ones

Everything here is synchronous and starts no thread. The servers listen on loopback, on free
ports, with a password from the data folder. They die with the thread that started them, even when
it is killed, by the parent-death signal of Linux.
"""

from workers.local.stack.discover import discover_servers
from workers.local.stack.local_stack import LocalStack
from workers.local.stack.server_urls import ServerUrls

__all__ = ["LocalStack", "ServerUrls", "discover_servers"]
