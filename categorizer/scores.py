"""The compiled scoring of a batch: distinct rows, sums of weights, the best code of each.

Weights are bytes times a power of two per feature, in an open-addressed table of features that is
small enough to stay in the processor's cache. The primaries are scored first, then only the
details of the best one by whole words, so 123 codes cost little more than 18. Sums are whole numbers, so their
order changes nothing.
"""

from typing import Final

import numpy as np

from categorizer.compiled import compiled
from categorizer.hashing import PRIME, SEED
from categorizer.passes import (
    MAX_FEATURES,
    direction_of,
    emit_context,
    emit_parts,
    emit_words,
    feature_key,
    size_bucket,
    text_norm,
    write_key,
    write_merchant,
)
from categorizer.words import (
    BYTES,
    FOLDED_BYTES,
    MAX_WORDS,
    PHRASES,
    WORD_COLUMNS,
    assign_roles,
    gather_core,
    mix,
    split_words,
)

LANES: Final = 32
"""Bytes in a row of the primary table; the last one is the row's binary exponent."""
DETAIL_LANES: Final = 16
"""The same of the detail table."""

_SLOTS: Final = "Array(int64, 1, 'C', readonly=True)"
_WEIGHTS: Final = "Array(int8, 2, 'C', readonly=True)"
_LOGITS: Final = "Array(float64, 1, 'C', readonly=True)"
_DETAIL_LOGITS: Final = "Array(float64, 2, 'C', readonly=True)"
_CODES: Final = "Array(int16, 2, 'C', readonly=True)"


@compiled("int64(int64, int64)")
def detail_key(key, primary):
    """The key of a feature among the details of one primary."""
    return feature_key(mix(key, primary + 1))


@compiled(f"int64({_SLOTS}, int64)")
def find_row(slots, key):
    """Row of a feature's weights, -1 when the model does not know it."""
    last = slots.shape[0] - 1
    slot = key & last
    while slots[slot] != 0:
        if (slots[slot] >> 32) & 0xFFFFFFFF == key:
            return (slots[slot] & 0xFFFFFFFF) - 1
        slot = (slot + 1) & last
    return np.int64(-1)


@compiled("void(int64[::1], uint32[::1])")
def fill_slots(slots, keys):
    """Enters keys with their rows; `slots` are zeros, a power of two, at least twice as many.

    A slot holds the key above 32 bits and the row plus one below; 0 is free.
    """
    last = slots.shape[0] - 1
    for row in range(keys.shape[0]):
        key = np.int64(keys[row])
        slot = key & last
        while slots[slot] != 0:
            slot = (slot + 1) & last
        slots[slot] = (key << 32) | (row + 1)


@compiled("void(uint32[::1], int64, uint32[::1])")
def detail_keys(keys, primary, result):
    for i in range(keys.shape[0]):
        result[i] = detail_key(np.int64(keys[i]), primary)


@compiled(f"void({_SLOTS}, {_WEIGHTS}, int64[::1], int8[::1], int64, int64, int32[::1])")
def add_weights(slots, weights, keys, values, first, stop, sums):
    """Sums the weights of the primaries in quarter units."""
    sums[:] = 0
    for i in range(first, stop):
        row = find_row(slots, keys[i])
        if row >= 0:
            lanes = weights[row]
            scale = np.int32(values[i]) << np.int32(lanes[LANES - 1])
            for lane in range(LANES):
                sums[lane] += np.int32(np.int32(lanes[lane]) * scale)


@compiled(f"void({_SLOTS}, {_WEIGHTS}, int64[::1], int8[::1], int64, int64, int64, int32[::1])")
def add_detail_weights(slots, weights, keys, values, first, stop, primary, sums):
    """The same of the details of one primary."""
    sums[:DETAIL_LANES] = 0
    for i in range(first, stop):
        row = find_row(slots, detail_key(keys[i], primary))
        if row >= 0:
            lanes = weights[row]
            scale = np.int32(values[i]) << np.int32(lanes[DETAIL_LANES - 1])
            for lane in range(DETAIL_LANES):
                sums[lane] += np.int32(np.int32(lanes[lane]) * scale)


@compiled(f"int64(int32[::1], int32[::1], float64, float64, {_LOGITS}, float64[::1])")
def best_logit(text_sums, context_sums, scale, unit, intercepts, logits):
    """Fills the logits of one level; returns the lane of the first greatest."""
    best = 0
    for lane in range(intercepts.shape[0]):
        total = np.float64(text_sums[lane]) * scale + np.float64(context_sums[lane]) * unit
        logits[lane] = total + intercepts[lane]
        if logits[lane] > logits[best]:
            best = lane
    return best


@compiled("float64(float64[::1], int64, int64)")
def probability(logits, count, best):
    """Softmax of the best of the first `count` logits."""
    total = 0.0
    for lane in range(count):
        total += np.exp(logits[lane] - logits[best])
    return 1.0 / total


@compiled(f"int64({BYTES}, int64, int64)")
def hash_bytes(text, first, stop):
    state = np.int64(SEED)
    for i in range(first, stop):
        state = (state ^ text[i]) * PRIME
    return state ^ (state >> 32)


@compiled(f"boolean({BYTES}, int64, int64, int64, int64)")
def same_bytes(text, first, stop, other, other_stop):
    if stop - first != other_stop - other:
        return False
    for i in range(stop - first):
        if text[first + i] != text[other + i]:
            return False
    return True


@compiled(f"int64({BYTES}, int64[::1], int64[::1], int64[::1], int64[::1])")
def find_texts(text, bounds, slots, text_of_row, row_of_text):
    """Numbers the distinct texts in order of first appearance; returns how many there are.

    `slots` are zeros, a power of two, at least twice as many as rows.
    """
    last = slots.shape[0] - 1
    texts = 0
    for row in range(bounds.shape[0] - 1):
        first, stop = bounds[row], bounds[row + 1]
        slot = hash_bytes(text, first, stop) & last
        while slots[slot] != 0:
            other = row_of_text[slots[slot] - 1]
            if same_bytes(text, first, stop, bounds[other], bounds[other + 1]):
                break
            slot = (slot + 1) & last
        if slots[slot] == 0:
            row_of_text[texts] = row
            texts += 1
            slots[slot] = texts
        text_of_row[row] = slots[slot] - 1
    return texts


@compiled("int64(int64, int16, int64)")
def context_hash(amount, mcc, currency):
    """The other columns as far as features tell them apart."""
    way = size_bucket(amount) * 4 + direction_of(amount)
    return mix(mix(mix(SEED, way), np.int64(mcc)), currency)


@compiled(
    "int64(int64[::1], int64[::1], int16[::1], int64[::1], int64[::1], int64[::1], int64[::1])"
)
def find_cases(texts, amounts, mccs, currencies, slots, case_of_row, row_of_case):
    """The same for cases: rows whose text, direction, size, MCC and currency are alike."""
    last = slots.shape[0] - 1
    cases = 0
    for row in range(texts.shape[0]):
        context = context_hash(amounts[row], mccs[row], currencies[row])
        state = mix(context, texts[row])
        slot = (state ^ (state >> 32)) & last
        while slots[slot] != 0:
            other = row_of_case[slots[slot] - 1]
            alike = context == context_hash(amounts[other], mccs[other], currencies[other])
            if alike and texts[other] == texts[row]:
                break
            slot = (slot + 1) & last
        if slots[slot] == 0:
            row_of_case[cases] = row
            cases += 1
            slots[slot] = cases
        case_of_row[row] = slots[slot] - 1
    return cases


@compiled(
    f"void({BYTES}, int64[::1], int64[::1], int64[::1], int16[::1], int64[::1], int64[::1],"
    f" {PHRASES}, {_SLOTS}, {_WEIGHTS}, {_LOGITS}, {_SLOTS}, {_WEIGHTS}, {_DETAIL_LOGITS},"
    f" {_CODES}, float64, int16[::1], float64[::1], uint8[::1], uint8[::1], int64[::1])"
)
def score(
    text,
    bounds,
    texts,
    amounts,
    mccs,
    currencies,
    row_of_case,
    phrases,
    slots,
    weights,
    intercepts,
    detail_slots,
    detail_weights,
    detail_intercepts,
    detail_codes,
    unit,
    codes,
    probabilities,
    merchants,
    merchant_keys,
    sizes,
):
    """Code and probability of the primary of every case, names of every text."""
    folded = np.empty(FOLDED_BYTES, dtype=np.uint8)
    words = np.empty((MAX_WORDS, WORD_COLUMNS), dtype=np.int64)
    keys = np.empty(MAX_FEATURES, dtype=np.int64)
    values = np.empty(MAX_FEATURES, dtype=np.int8)
    text_sums = np.empty(LANES, dtype=np.int32)
    context_sums = np.empty(LANES, dtype=np.int32)
    logits = np.empty(LANES, dtype=np.float64)
    merchant = key = 0
    named = -1
    for case in range(row_of_case.shape[0]):
        row = row_of_case[case]
        at = texts[row]
        length = split_words(text, bounds[row], bounds[row + 1] - 1, folded, words, phrases)
        processor = assign_roles(words, length, phrases)
        cores = gather_core(words, length)
        if at > named:
            merchant = write_merchant(folded, words, cores, merchants, merchant)
            key = write_key(folded, words, cores, merchant_keys, key)
            named = at
        way = direction_of(amounts[row])
        of_words = emit_words(folded, words, length, cores, processor, way, keys, values)
        stop = emit_parts(folded, words, length, of_words, keys, values)
        scale = unit / text_norm(values, stop)
        count = emit_context(amounts[row], mccs[row], currencies[row], stop, keys, values)
        add_weights(slots, weights, keys, values, 0, stop, text_sums)
        add_weights(slots, weights, keys, values, stop, count, context_sums)
        best = best_logit(text_sums, context_sums, scale, unit, intercepts, logits)
        probabilities[case] = probability(logits, intercepts.shape[0], best)
        add_detail_weights(detail_slots, detail_weights, keys, values, 0, of_words, best, text_sums)
        add_detail_weights(
            detail_slots, detail_weights, keys, values, stop, count, best, context_sums
        )
        lane = best_logit(text_sums, context_sums, scale, unit, detail_intercepts[best], logits)
        codes[case] = detail_codes[best, lane]
    sizes[0] = merchant
    sizes[1] = key
