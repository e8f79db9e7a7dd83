"""An explanation says why a row got its verdict: the decider, the features, the alternatives.

Features have names only here. The compiled passes keep nothing but keys, so the features of
the explained row are derived a second time, in plain Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from categorizer.columns import Columns, encode_currencies
from categorizer.kernels import passes, words
from categorizer.kernels.buffer import pack_descriptions
from categorizer.kernels.hashing import SEED, hash_feature, hash_word, mix_hash
from categorizer.kernels.scores import find_row
from categorizer.phrases import load_phrases
from categorizer.weights import Weights, decode_weights


class Feature(NamedTuple):
    """A feature has a name, a key and a value: 1, or 0.25 for a part of a word."""

    name: str
    key: int
    value: float
    of_text: bool


class Reason(NamedTuple):
    """A reason is what one feature adds to the logit of the primary that was chosen."""

    feature: str
    weight: float


class Alternative(NamedTuple):
    """An alternative is a primary with the model's uncalibrated probability."""

    primary: str
    probability: float


@dataclass(frozen=True, slots=True)
class VerdictExplanation:
    """An explanation holds the verdict on one row and what led to it."""

    code: str
    primary: str
    confidence: float
    source: str
    needs_review: bool
    merchant: str
    merchant_key: str
    processor: str
    reasons: list[Reason]
    """The features that spoke most for the model's primary, the strongest first."""
    alternatives: list[Alternative]
    """The model's primaries with uncalibrated probabilities, the likeliest first."""


class _Word(NamedTuple):
    text: bytes
    role: int
    traits: int


class _Reading(NamedTuple):
    words: list[_Word]
    processor: int


def find_processor(description: str) -> str:
    """Return the name of the payment processor in a description, empty when there is none."""
    return load_phrases().processors[_read_words(description).processor]


def derive_features(columns: Columns, row: int) -> list[Feature]:
    """Return all features of a row; repeated features stay repeated."""
    amount = int(columns.amounts[row])
    way = passes.find_direction(amount)
    reading = _read_words(columns.descriptions[row])
    named = [
        *_derive_name_features([w.text for w in reading.words if w.role == words.CORE]),
        *_derive_word_features(reading, way),
        *_derive_part_features(reading),
    ]
    mcc, currency = int(columns.mccs[row]), str(columns.currencies[row])
    return [*named, *_derive_context_features(amount, way, mcc, currency)]


def weigh_features(weights: Weights, features: list[Feature]) -> NDArray[np.float64]:
    """Return what each feature adds to the logits of the primaries, shape (features, 18)."""
    values = np.array([feature.value for feature in features])
    of_text = np.array([feature.of_text for feature in features], dtype=np.bool_)
    norm = np.sqrt(max(float((values[of_text] ** 2).sum()), 1.0))
    scaled = np.where(of_text, values / norm, values)
    rows = np.array([find_row(weights.index, weights.row_keys, f.key) for f in features], np.int64)
    summed = decode_weights(weights.rows[rows])[:, : len(weights.intercepts)] * (rows >= 0)[:, None]
    return np.asarray(summed * scaled[:, None])


def rank_reasons(
    features: list[Feature], added: NDArray[np.float64], most: int = 8
) -> list[Reason]:
    """Return the features that added most to one primary; `added` has shape (features,)."""
    total: dict[str, float] = {}
    for feature, weight in zip(features, added.tolist(), strict=True):
        total[feature.name] = total.get(feature.name, 0.0) + weight
    strongest = sorted(total.items(), key=lambda item: -item[1])[:most]
    return [Reason(name, round(weight, 4)) for name, weight in strongest if weight > 0]


def compute_probabilities(weights: Weights, added: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the uncalibrated probabilities of the primaries, shape (18,).

    `added` comes from `weigh_features` and has shape (features, 18).
    """
    logits = added.sum(axis=0) + weights.intercepts
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


def _read_words(description: str) -> _Reading:
    buffer = pack_descriptions([description])
    folded = np.empty(words.FOLDED_BYTES, dtype=np.uint8)
    table = np.empty((words.MAX_WORDS, words.WORD_COLUMNS), dtype=np.int64)
    phrases = load_phrases().phrases
    count = words.split_words(buffer.text, 0, len(buffer.text) - 1, folded, table, phrases)
    processor = words.assign_roles(table, count, phrases)
    read = [
        _Word(
            folded[table[i, words.START] : table[i, words.END]].tobytes(),
            int(table[i, words.ROLE]),
            int(table[i, words.TRAITS]),
        )
        for i in range(count)
    ]
    return _Reading(read, int(processor))


def _make_feature(name: str, state: int, kind: int, *, of_text: bool = True) -> Feature:
    return Feature(name, hash_feature(mix_hash(state, kind)) & ~1, 1.0, of_text)


def _derive_name_features(core: list[bytes]) -> Iterator[Feature]:
    if not core:
        return
    yield _make_feature(f"first word {_show_text(core[0])}", hash_word(core[0]), passes.F_FIRST)
    yield _make_feature(f"last word {_show_text(core[-1])}", hash_word(core[-1]), passes.F_LAST)
    for at, (left, right) in enumerate(pairwise(core)):
        pair = mix_hash(hash_word(left), hash_word(right))
        shown = _show_text(left + b" " + right)
        yield _make_feature(f"words {shown}", pair, passes.F_PAIR)
        if at == 0:
            yield _make_feature(f"first words {shown}", pair, passes.F_FIRST_TWO)
    squeezed = b"".join(core)
    for length in passes.PREFIXES:
        if len(squeezed) >= length:
            prefix = squeezed[:length]
            yield _make_feature(
                f"begins with {_show_text(prefix)}", hash_word(prefix), passes.F_PREFIX
            )


def _derive_word_features(reading: _Reading, way: int) -> Iterator[Feature]:
    if reading.processor:
        name = load_phrases().processors[reading.processor]
        yield _make_feature(
            f"paid by {name}", mix_hash(SEED, reading.processor), passes.F_PROCESSOR
        )
    for word in reading.words:
        state, shown = hash_word(word.text), _show_text(word.text)
        if word.role == words.CONTEXT:
            kind = passes.F_WEB if word.traits & words.WEB else passes.F_CONTEXT
            yield _make_feature(f"payment wording {shown}", state, kind)
        elif word.role in {words.CORE, words.EXTRA}:
            yield _make_feature(f"word {shown}", state, passes.F_WORD)
            yield _make_feature(
                f"word {shown}, {_WAYS[way]}", mix_hash(state, way), passes.F_DIRECTED
            )


def _derive_part_features(reading: _Reading) -> Iterator[Feature]:
    edge = bytes([words.EDGE])
    for word in reading.words:
        if word.role not in {words.CORE, words.EXTRA} or len(word.text) < 4:
            continue
        edged = edge + word.text + edge
        for begin in range(len(edged) - 2):
            for part in (edged[begin : begin + n] for n in range(3, 6) if begin + n <= len(edged)):
                key = hash_feature(int.from_bytes(part, "little")) | 1
                shown = part.replace(edge, b"|")
                yield Feature(f"letters {_show_text(shown)}", key, 0.25, of_text=True)


def _derive_context_features(amount: int, way: int, mcc: int, currency: str) -> Iterator[Feature]:
    number = int(encode_currencies([currency])[0])
    if way:
        state = mix_hash(SEED, way)
        yield _make_feature(_WAYS[way], state, passes.F_DIRECTION, of_text=False)
        sized = mix_hash(state, passes.bucket_amount(amount))
        yield _make_feature(f"size of amount, {_WAYS[way]}", sized, passes.F_SIZE, of_text=False)
    if mcc:
        yield _make_feature(f"MCC {mcc:04d}", mix_hash(SEED, mcc), passes.F_MCC, of_text=False)
    if number:
        yield _make_feature(
            f"in {currency}", mix_hash(SEED, number), passes.F_CURRENCY, of_text=False
        )


_WAYS = {0: "zero", passes.IN: "money in", passes.OUT: "money out"}


def _show_text(text: bytes) -> str:
    return f"`{text.decode('utf-8', 'replace')}`"
