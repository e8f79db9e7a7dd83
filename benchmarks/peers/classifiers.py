"""What anyone would pick instead of our categorizer, with the same codes to choose from."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import fasttext
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

Predict = Callable[[Sequence[str]], object]


def train_sklearn(texts: Sequence[str], codes: Sequence[str]) -> Predict:
    """Hashed character n-grams of 3 to 5 and a linear classifier."""
    vectorizer = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=2**18)
    classifier = SGDClassifier(loss="log_loss", max_iter=3, tol=None, random_state=7)
    model = make_pipeline(vectorizer, classifier)
    model.fit(texts, codes)
    return model.predict  # type: ignore[no-any-return]


def train_fasttext(texts: Sequence[str], codes: Sequence[str]) -> Predict:
    """FastText supervised with its own defaults and character n-grams of 3 to 5."""
    lines = [f"__label__{code} {text}\n" for text, code in zip(texts, codes, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        file.write_text("".join(lines), encoding="utf-8")
        with contextlib.redirect_stderr(None):
            model = fasttext.train_supervised(
                str(file), minn=3, maxn=5, epoch=3, thread=1, bucket=2**18, verbose=0, seed=7
            )
    # The binding's own method for lists copies into arrays in a way that newer numpy refuses.
    return lambda rows: model.f.multilinePredict([row + "\n" for row in rows], 1, 0.0, "strict")


async def match_in_sql(url: str, brands: Sequence[tuple[str, str]], rows: Sequence[str]) -> int:
    """Looks every description up with ILIKE over a list of brands; returns how many it knew."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET max_parallel_workers_per_gather = 0")
        await connection.execute("CREATE TEMPORARY TABLE brand (name text, tag text)")
        await connection.copy_records_to_table("brand", records=brands)
        matches = await connection.fetch(
            """
            SELECT (
                SELECT tag FROM brand WHERE description ILIKE '%' || name || '%'
                ORDER BY length(name) DESC LIMIT 1
            ) AS tag
            FROM unnest($1::text[]) AS description
            """,
            list(rows),
        )
    finally:
        await connection.close()
    return sum(row["tag"] is not None for row in matches)
