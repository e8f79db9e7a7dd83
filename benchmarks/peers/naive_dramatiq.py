"""The dramatiq peer: stock broker, one message a transaction. `dramatiq benchmarks.peers.naive_dramatiq`."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.peers import ordinary

broker = RabbitmqBroker(url=os.environ["PEER_BROKER_URL"])
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=os.environ["PEER_QUEUE"])
def categorize(row: dict[str, str]) -> None:
    ordinary.store_row(row)
