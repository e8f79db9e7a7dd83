"""The compiled passes turn a batch of texts into names and features.

`text` holds the folded descriptions; a line feed ends each of them. `bounds` are their offsets,
one more than there are texts. A feature is a 32-bit key with a value in quarters. So sums of
integer weights are exact, and their order changes nothing.
"""

from typing import Final

import numpy as np

from categorizer.kernels.compiled import compile_kernel
from categorizer.kernels.hashing import MIXER, PRIME, SEED
from categorizer.kernels.words import (
    BYTES,
    CONTEXT,
    CORE,
    END,
    EXTRA,
    FOLDED_BYTES,
    HASH,
    MAX_WORDS,
    ORDER,
    PHRASES,
    ROLE,
    START,
    TRAITS,
    WEB,
    WORD_COLUMNS,
    assign_roles,
    gather_core,
    mix_hash,
    multiply_wrapping,
    split_words,
)

MAX_FEATURES: Final = 320
RESERVED: Final = 8
"""N-grams leave this much room for the features of the other columns."""

# These are the kinds of features.
F_WORD, F_DIRECTED, F_PAIR, F_FIRST, F_FIRST_TWO, F_LAST, F_PREFIX = range(1, 8)
F_CONTEXT, F_PROCESSOR, F_WEB, F_DIRECTION, F_SIZE, F_MCC, F_CURRENCY = range(8, 15)

QUARTER: Final = 1
WHOLE: Final = 4
"""Values of features in quarters: n-grams inside words count 1, all others 4."""

IN, OUT = 1, 2
"""These are the directions of money; 0 stands for a zero amount."""

PREFIXES: Final = (5, 7, 9, 12)
"""Lengths of the prefixes of the name without spaces, which survive glueing and cutting."""


@compile_kernel("int64(int64)")
def hash_feature(state):
    """Return the 32 bits that name a feature; the lowest bit is 1 for n-grams and 0 for others."""
    return ((multiply_wrapping(state ^ (state >> 29), MIXER) >> 32) & 0xFFFFFFFF) | 2


@compile_kernel("int64(uint8[::1], int64[:, ::1], int64, uint8[::1], int64)")
def write_merchant(folded, words, cores, out, size):
    """Append the readable name and a line feed; return the new size of the buffer."""
    for core in range(cores):
        word = words[core, ORDER]
        first, stop = words[word, START], words[word, END]
        if core > 0:
            out[size] = 32
            size += 1
        shout = stop - first <= 3
        for i in range(first, stop):
            byte = folded[i]
            if (
                byte == 97
                or byte == 101
                or byte == 105
                or byte == 111
                or byte == 117
                or byte == 121
                or (byte < 97 and byte != 38)
            ):
                shout = False
        for i in range(first, stop):
            byte = folded[i]
            opens = shout or i == first or folded[i - 1] == 38
            out[size] = byte - 32 if opens and 97 <= byte <= 122 else byte
            size += 1
    out[size] = 10
    return size + 1


@compile_kernel("int64(uint8[::1], int64[:, ::1], int64, uint8[::1], int64)")
def write_key(folded, words, cores, out, size):
    """Append the name without spaces, joiners and articles, and a line feed; return the new size."""
    for core in range(cores):
        word = words[core, ORDER]
        first, stop = words[word, START], words[word, END]
        length = stop - first
        article = length == 3 and folded[first] == 116 and folded[first + 1] == 104
        joiner = length == 3 and folded[first] == 97 and folded[first + 1] == 110
        if cores > 1 and (
            (core == 0 and article and folded[first + 2] == 101)
            or (joiner and folded[first + 2] == 100)
        ):
            continue
        for i in range(first, stop):
            if folded[i] != 38:
                out[size] = folded[i]
                size += 1
    out[size] = 10
    return size + 1


@compile_kernel("int64(uint8[::1], int64, int64, int64, int64[::1], int8[::1])")
def emit_ngrams(folded, first, stop, count, keys, values):
    """Add the features of a word's parts of 3 to 5 characters, edges included; return the count."""
    room = min(MAX_FEATURES - RESERVED, count + 3 * (stop - first + 2))
    for begin in range(first - 1, stop - 1):
        gram = folded[begin] | np.int64(folded[begin + 1]) << 8 | np.int64(folded[begin + 2]) << 16
        for length in range(3, 6):
            if count >= room or begin + length > stop + 1:
                break
            if length > 3:
                gram |= np.int64(folded[begin + length - 1]) << (8 * (length - 1))
            keys[count] = hash_feature(gram) | 1
            values[count] = QUARTER
            count += 1
    return count


@compile_kernel("int64(int64, int64, int64, int64[::1], int8[::1])")
def emit_feature(state, kind, count, keys, values):
    """Add one whole feature if there is room; return the count."""
    if count < MAX_FEATURES:
        keys[count] = hash_feature(mix_hash(state, kind)) & ~1
        values[count] = WHOLE
        count += 1
    return count


@compile_kernel("int64(uint8[::1], int64[:, ::1], int64, int64, int64[::1], int8[::1])")
def emit_name(folded, words, cores, count, keys, values):
    """Add the features of the whole name: its pairs, ends and prefixes; return the count."""
    first, last = words[words[0, ORDER], HASH], words[words[cores - 1, ORDER], HASH]
    count = emit_feature(first, F_FIRST, count, keys, values)
    count = emit_feature(last, F_LAST, count, keys, values)
    for core in range(1, cores):
        pair = mix_hash(words[words[core - 1, ORDER], HASH], words[words[core, ORDER], HASH])
        count = emit_feature(pair, F_PAIR, count, keys, values)
        if core == 1:
            count = emit_feature(pair, F_FIRST_TWO, count, keys, values)
    state = np.int64(SEED)
    length = 0
    for core in range(cores):
        word = words[core, ORDER]
        for i in range(words[word, START], words[word, END]):
            state = multiply_wrapping(state ^ folded[i], PRIME)
            length += 1
            if length in PREFIXES:
                count = emit_feature(state, F_PREFIX, count, keys, values)
    return count


@compile_kernel(
    "int64(uint8[::1], int64[:, ::1], int64, int64, int64, int64, int64[::1], int8[::1])"
)
def emit_words(folded, words, length, cores, processor, direction, keys, values):
    """Fill in the features of the words of one row; return the count."""
    count = 0
    if cores > 0:
        count = emit_name(folded, words, cores, count, keys, values)
    if processor != 0:
        count = emit_feature(mix_hash(SEED, processor), F_PROCESSOR, count, keys, values)
    for i in range(length):
        role, state = words[i, ROLE], words[i, HASH]
        if role == CONTEXT:
            kind = F_WEB if words[i, TRAITS] & WEB != 0 else F_CONTEXT
            count = emit_feature(state, kind, count, keys, values)
        elif role == CORE or role == EXTRA:
            count = emit_feature(state, F_WORD, count, keys, values)
            count = emit_feature(mix_hash(state, direction), F_DIRECTED, count, keys, values)
    return count


@compile_kernel("int64(uint8[::1], int64[:, ::1], int64, int64, int64[::1], int8[::1])")
def emit_parts(folded, words, length, count, keys, values):
    """Add the features of the parts of longer words; return the count."""
    for i in range(length):
        first, stop = words[i, START], words[i, END]
        if (words[i, ROLE] == CORE or words[i, ROLE] == EXTRA) and stop - first >= 4:
            count = emit_ngrams(folded, first, stop, count, keys, values)
    return count


@compile_kernel("int64(int64)")
def bucket_amount(amount):
    """Return the coarse size of an amount in minor units, 0 to 5.

    The limits are 5, 20, 50, 200 and 1,000 units of currency.
    """
    size = abs(amount)
    return (
        np.int64(size >= 500)
        + np.int64(size >= 2000)
        + np.int64(size >= 5000)
        + np.int64(size >= 20000)
        + np.int64(size >= 100000)
    )


@compile_kernel("int64(int64)")
def find_direction(amount):
    """Return `IN`, `OUT` or, for a zero amount, 0."""
    return IN if amount > 0 else OUT if amount < 0 else 0


@compile_kernel("int64(int64, int64, int64, int64, int64[::1], int8[::1])")
def emit_context(amount, mcc, currency, count, keys, values):
    """Add the features of the other columns; an empty value adds none. Return the count."""
    direction = find_direction(amount)
    if direction != 0:
        count = emit_feature(mix_hash(SEED, direction), F_DIRECTION, count, keys, values)
        size = mix_hash(mix_hash(SEED, direction), bucket_amount(amount))
        count = emit_feature(size, F_SIZE, count, keys, values)
    if mcc != 0:
        count = emit_feature(mix_hash(SEED, mcc), F_MCC, count, keys, values)
    if currency != 0:
        count = emit_feature(mix_hash(SEED, currency), F_CURRENCY, count, keys, values)
    return count


@compile_kernel("float64(int8[::1], int64)")
def compute_text_norm(values, count):
    """Return the Euclidean length of the text's features, at least 1."""
    total = 0.0
    for i in range(count):
        total += 1.0 if values[i] == WHOLE else 0.0625
    return np.sqrt(max(total, 1.0))


@compile_kernel(
    f"int64({BYTES}, int64[::1], int64[::1], int16[::1], int64[::1], {PHRASES}, uint32[::1], float64[::1], int64[::1])"
)
def featurize_rows(text, bounds, amounts, mccs, currencies, phrases, keys_out, values_out, starts):
    """Fill in the features of every row as compressed rows, repeats kept; return their number.

    The outputs have room for `MAX_FEATURES` per row; `starts` is one longer than the rows.
    """
    folded = np.empty(FOLDED_BYTES, dtype=np.uint8)
    words = np.empty((MAX_WORDS, WORD_COLUMNS), dtype=np.int64)
    keys = np.empty(MAX_FEATURES, dtype=np.int64)
    values = np.empty(MAX_FEATURES, dtype=np.int8)
    total = 0
    for row in range(bounds.shape[0] - 1):
        length = split_words(text, bounds[row], bounds[row + 1] - 1, folded, words, phrases)
        processor = assign_roles(words, length, phrases)
        cores = gather_core(words, length)
        direction = find_direction(amounts[row])
        count = emit_words(folded, words, length, cores, processor, direction, keys, values)
        count = emit_parts(folded, words, length, count, keys, values)
        norm = compute_text_norm(values, count)
        texts = count
        count = emit_context(amounts[row], mccs[row], currencies[row], count, keys, values)
        starts[row] = total
        for i in range(count):
            keys_out[total + i] = keys[i]
            values_out[total + i] = 0.25 * values[i] / (norm if i < texts else 1.0)
        total += count
    starts[bounds.shape[0] - 1] = total
    return total


@compile_kernel(
    f"void({BYTES}, int64[::1], {PHRASES}, uint8[::1], uint8[::1], int16[::1], int64[::1])"
)
def name_merchants(text, bounds, phrases, merchants, merchant_keys, processors, sizes):
    """Write the names of every text, each ended by a line feed.

    `sizes` receives the lengths of the two buffers.
    """
    folded = np.empty(FOLDED_BYTES, dtype=np.uint8)
    words = np.empty((MAX_WORDS, WORD_COLUMNS), dtype=np.int64)
    merchant = key = 0
    for row in range(bounds.shape[0] - 1):
        length = split_words(text, bounds[row], bounds[row + 1] - 1, folded, words, phrases)
        processors[row] = assign_roles(words, length, phrases)
        cores = gather_core(words, length)
        merchant = write_merchant(folded, words, cores, merchants, merchant)
        key = write_key(folded, words, cores, merchant_keys, key)
    sizes[0] = merchant
    sizes[1] = key
