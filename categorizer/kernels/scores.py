"""The compiled scoring of a batch sums weights and finds the best code of each distinct row.

Weights are bytes times a power of two per feature. Their tables are small enough to stay in the
processor's cache. The primaries are scored first. Only the details of the best primary are
scored afterwards, by whole words, so 123 codes cost little more than 18.
"""

from typing import Final

import numpy as np

from categorizer.kernels.compiled import compile_kernel
from categorizer.kernels.hashing import PRIME, SEED
from categorizer.kernels.passes import (
    MAX_FEATURES,
    bucket_amount,
    compute_text_norm,
    emit_context,
    emit_parts,
    emit_words,
    find_direction,
    hash_feature,
    write_key,
    write_merchant,
)
from categorizer.kernels.words import (
    BYTES,
    FOLDED_BYTES,
    MAX_WORDS,
    PHRASES,
    WORD_COLUMNS,
    assign_roles,
    gather_core,
    mix_hash,
    multiply_wrapping,
    split_words,
)

LANES: Final = 32
"""Bytes of a row of weights: 27 weights, the row's binary exponent, the key of its feature."""
EXPONENT: Final = 27
ROW_BITS: Final = 18
"""The low bits of an index entry hold the row plus one; above them are the key's highest bits."""

_INDEX: Final = "Array(uint32, 1, 'C', readonly=True)"
_ROWS: Final = "Array(int8, 2, 'C', readonly=True)"
_ROW_KEYS: Final = "Array(uint32, 2, 'C', readonly=True)"
_LOGITS: Final = "Array(float64, 1, 'C', readonly=True)"
_DETAIL_LOGITS: Final = "Array(float64, 2, 'C', readonly=True)"
_CODES: Final = "Array(int16, 2, 'C', readonly=True)"


@compile_kernel("int64(int64, int64)")
def hash_detail(key, primary):
    """Return the key of a feature among the details of one primary."""
    return hash_feature(mix_hash(key, primary + 1))


@compile_kernel("void(uint32[::1], int64, uint32[::1])")
def hash_details(keys, primary, result):
    """Fill `result` with the keys of features among the details of one primary."""
    for i in range(keys.shape[0]):
        result[i] = hash_detail(np.int64(keys[i]), primary)


@compile_kernel("void(uint32[::1], uint32[::1])")
def fill_index(index, keys):
    """Enter the rows of keys; `index` is zeros, a power of two long, longer than the keys."""
    last = index.shape[0] - 1
    for row in range(keys.shape[0]):
        key = np.int64(keys[row])
        slot = (key >> 2) & last
        while index[slot] != 0:
            slot = (slot + 1) & last
        index[slot] = (key >> ROW_BITS << ROW_BITS) | (row + 1)


@compile_kernel(f"int64({_INDEX}, {_ROW_KEYS}, int64)")
def find_row(index, row_keys, key):
    """Return the row of a feature's weights, -1 when the model does not have the feature."""
    last = index.shape[0] - 1
    slot = (key >> 2) & last
    while index[slot] != 0:
        entry = np.int64(index[slot])
        row = (entry & ((1 << ROW_BITS) - 1)) - 1
        if entry >> ROW_BITS == key >> ROW_BITS and np.int64(row_keys[row, 7]) == key:
            return row
        slot = (slot + 1) & last
    return np.int64(-1)


@compile_kernel(
    f"void({_INDEX}, {_ROWS}, {_ROW_KEYS}, int64[::1], int8[::1], int64, int64, int64[::1],"
    " int32[::1])"
)
def add_weights(index, rows, row_keys, keys, values, first, stop, entries, sums):
    """Sum the weights of features in quarter units.

    Rows are looked up first and added afterwards, so that the processor fetches many at a time.
    `entries` is room for one number per feature.
    """
    count = 0
    for i in range(first, stop):
        row = find_row(index, row_keys, keys[i])
        entries[count] = (row << 8) | np.int64(values[i])
        count += row >= 0
    sums[:] = 0
    for i in range(count):
        weights = rows[entries[i] >> 8]
        scale = np.int32(entries[i] & 0xFF) << np.int32(weights[EXPONENT])
        for lane in range(LANES):
            sums[lane] += np.int32(np.int32(weights[lane]) * scale)


@compile_kernel(f"int64(int32[::1], int32[::1], float64, float64, {_LOGITS}, float64[::1])")
def find_best_logit(text_sums, context_sums, scale, unit, intercepts, logits):
    """Fill in the logits of one level; return the lane of the first greatest."""
    best = 0
    for lane in range(intercepts.shape[0]):
        total = np.float64(text_sums[lane]) * scale + np.float64(context_sums[lane]) * unit
        logits[lane] = total + intercepts[lane]
        if logits[lane] > logits[best]:
            best = lane
    return best


@compile_kernel("float64(float64[::1], int64, int64)")
def compute_probability(logits, count, best):
    """Return the softmax of the best of the first `count` logits."""
    total = 0.0
    for lane in range(count):
        total += np.exp(logits[lane] - logits[best])
    return 1.0 / total


@compile_kernel(f"int64({BYTES}, int64, int64)")
def hash_bytes(text, first, stop):
    """Return a hash of a part of the text."""
    state = np.int64(SEED)
    for i in range(first, stop):
        state = multiply_wrapping(state ^ text[i], PRIME)
    return state ^ (state >> 32)


@compile_kernel(f"boolean({BYTES}, int64, int64, int64, int64)")
def is_same_text(text, first, stop, other, other_stop):
    """Return whether two parts of the text hold equal bytes."""
    if stop - first != other_stop - other:
        return False
    for i in range(stop - first):
        if text[first + i] != text[other + i]:
            return False
    return True


@compile_kernel(f"int64({BYTES}, int64[::1], int64[::1], int64[::1], int64[::1])")
def find_texts(text, bounds, slots, text_of_row, row_of_text):
    """Number the distinct texts in order of first appearance; return how many there are.

    `slots` are zeros, a power of two, at least twice as many as rows.
    """
    last = slots.shape[0] - 1
    texts = 0
    for row in range(bounds.shape[0] - 1):
        first, stop = bounds[row], bounds[row + 1]
        slot = hash_bytes(text, first, stop) & last
        while slots[slot] != 0:
            other = row_of_text[slots[slot] - 1]
            if is_same_text(text, first, stop, bounds[other], bounds[other + 1]):
                break
            slot = (slot + 1) & last
        if slots[slot] == 0:
            row_of_text[texts] = row
            texts += 1
            slots[slot] = texts
        text_of_row[row] = slots[slot] - 1
    return texts


@compile_kernel("int64(int64, int16, int64)")
def hash_context(amount, mcc, currency):
    """Hash the other columns as far as features distinguish them."""
    way = bucket_amount(amount) * 4 + find_direction(amount)
    return mix_hash(mix_hash(mix_hash(SEED, way), np.int64(mcc)), currency)


@compile_kernel(
    "int64(int64[::1], int64[::1], int16[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[::1], int64[::1])"
)
def find_cases(
    texts, amounts, mccs, currencies, slots, case_of_row, row_of_case, first_case, next_case
):
    """Number the distinct cases in order of first appearance; return how many there are.

    Rows are one case when text, direction, size, MCC and currency are alike. The cases of a text are
    chained, and -1 ends the chain. `first_case` comes in filled with -1.
    """
    last = slots.shape[0] - 1
    cases = 0
    for row in range(texts.shape[0]):
        context = hash_context(amounts[row], mccs[row], currencies[row])
        state = mix_hash(context, texts[row])
        slot = (state ^ (state >> 32)) & last
        while slots[slot] != 0:
            other = row_of_case[slots[slot] - 1]
            alike = context == hash_context(amounts[other], mccs[other], currencies[other])
            if alike and texts[other] == texts[row]:
                break
            slot = (slot + 1) & last
        if slots[slot] == 0:
            row_of_case[cases] = row
            next_case[cases] = first_case[texts[row]]
            first_case[texts[row]] = cases
            cases += 1
            slots[slot] = cases
        case_of_row[row] = slots[slot] - 1
    return cases


@compile_kernel(
    f"void({BYTES}, int64[::1], int64[::1], int16[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    f" {PHRASES}, {_INDEX}, {_ROWS}, {_ROW_KEYS}, {_LOGITS}, {_INDEX}, {_ROWS}, {_ROW_KEYS}, {_DETAIL_LOGITS},"
    f" {_CODES}, float64, int16[::1], float64[::1], uint8[::1], uint8[::1], int64[::1])"
)
def score_cases(
    text,
    bounds,
    amounts,
    mccs,
    currencies,
    row_of_case,
    first_case,
    next_case,
    phrases,
    index,
    rows,
    row_keys,
    intercepts,
    detail_index,
    detail_rows,
    detail_row_keys,
    detail_intercepts,
    detail_codes,
    unit,
    codes,
    probabilities,
    merchants,
    merchant_keys,
    sizes,
):
    """Fill in code and primary's probability of every case, and the names of every text."""
    folded = np.empty(FOLDED_BYTES, dtype=np.uint8)
    words = np.empty((MAX_WORDS, WORD_COLUMNS), dtype=np.int64)
    keys = np.empty(MAX_FEATURES, dtype=np.int64)
    values = np.empty(MAX_FEATURES, dtype=np.int8)
    entries = np.empty(MAX_FEATURES, dtype=np.int64)
    text_sums = np.empty(LANES, dtype=np.int32)
    detail_sums = np.empty(LANES, dtype=np.int32)
    within = np.empty(MAX_FEATURES, dtype=np.int64)
    context_sums = np.empty(LANES, dtype=np.int32)
    logits = np.empty(LANES, dtype=np.float64)
    merchant = key = 0
    for text_number in range(first_case.shape[0]):
        case = first_case[text_number]
        start, end = bounds[row_of_case[case]], bounds[row_of_case[case] + 1] - 1
        length = split_words(text, start, end, folded, words, phrases)
        processor = assign_roles(words, length, phrases)
        cores = gather_core(words, length)
        merchant = write_merchant(folded, words, cores, merchants, merchant)
        key = write_key(folded, words, cores, merchant_keys, key)
        current_way = detailed = -1
        while case >= 0:
            row = row_of_case[case]
            way = find_direction(amounts[row])
            if way != current_way:
                of_words = emit_words(folded, words, length, cores, processor, way, keys, values)
                stop = emit_parts(folded, words, length, of_words, keys, values)
                scale = unit / compute_text_norm(values, stop)
                add_weights(index, rows, row_keys, keys, values, 0, stop, entries, text_sums)
                current_way, detailed = way, -1
            count = emit_context(amounts[row], mccs[row], currencies[row], stop, keys, values)
            add_weights(index, rows, row_keys, keys, values, stop, count, entries, context_sums)
            best = find_best_logit(text_sums, context_sums, scale, unit, intercepts, logits)
            probabilities[case] = compute_probability(logits, intercepts.shape[0], best)
            first_key = 0 if best != detailed else stop
            for i in range(first_key, count):
                within[i] = hash_detail(keys[i], best)
            if best != detailed:
                add_weights(
                    detail_index,
                    detail_rows,
                    detail_row_keys,
                    within,
                    values,
                    0,
                    of_words,
                    entries,
                    detail_sums,
                )
                detailed = best
            add_weights(
                detail_index,
                detail_rows,
                detail_row_keys,
                within,
                values,
                stop,
                count,
                entries,
                context_sums,
            )
            lane = find_best_logit(
                detail_sums, context_sums, scale, unit, detail_intercepts[best], logits
            )
            codes[case] = detail_codes[best, lane]
            case = next_case[case]
    sizes[0] = merchant
    sizes[1] = key
