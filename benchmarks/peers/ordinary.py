"""The ordinary parts that the dramatiq and the Celery peer share: a model and an INSERT."""

from __future__ import annotations

import os
from functools import cache
from threading import local

import numpy as np
import psycopg
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.peers.labels import label_descriptors

TABLE = """
CREATE TABLE ordinary (
    id text PRIMARY KEY, card text NOT NULL, booked_on date NOT NULL, amount numeric NOT NULL,
    description text NOT NULL, category text NOT NULL
)"""
_INSERT = "INSERT INTO ordinary VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_mine = local()


@cache
def train_model() -> Pipeline:
    """The pipeline of any tutorial: hashed character n-grams and a linear model."""
    texts, codes = label_descriptors()
    pipeline = make_pipeline(
        HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=2**18),
        SGDClassifier(loss="log_loss", max_iter=5, tol=None, random_state=0),
    )
    pipeline.fit(texts, codes)
    # In the order that the product wants: else each row would copy all coefficients, 100 ms.
    pipeline[-1].coef_ = np.asfortranarray(pipeline[-1].coef_)
    return pipeline


def store_row(row: dict[str, str]) -> None:
    """Categorize one row and insert it, with a commit of its own."""
    (category,) = train_model().predict([row["description"]])
    values = (row["id"], row["card"], row["date"], row["amount"], row["description"], str(category))
    _connection().execute(_INSERT, values)


def _connection() -> psycopg.Connection:
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(os.environ["PEER_DATABASE_URL"], autocommit=True)
    connection: psycopg.Connection = _mine.connection
    return connection
