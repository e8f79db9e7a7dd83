"""Compiled code reads one description: its words, and which of them name the merchant.

Numba code loops over arrays that the caller allocates once per batch. The cost of a row is
bounded: at most `MAX_BYTES` are read and `MAX_WORDS` kept.
"""

from typing import Final

import numpy as np

from categorizer.kernels.compiled import compile_kernel
from categorizer.kernels.hashing import MIXER, PRIME, SEED

MAX_BYTES: Final = 200
MAX_WORDS: Final = 24
FOLDED_BYTES: Final = MAX_BYTES + 2 * MAX_WORDS
EDGE: Final = 1
"""This byte marks both ends of a word in the folded text."""

SEPARATOR: Final = 10
"""This byte, a line feed, ends each row of the buffer."""

# These are the columns of the table of words.
START, END, HASH, KIND, GAP, TRAITS, ROLE, ORDER = range(8)
WORD_COLUMNS: Final = 8

# These are the kinds of words.
WORD, NUMBER, CODE = range(3)

# These bits say what stands before a word.
STAR, WIDE, SLASH, DOT, HYPHEN, HASHSIGN = 1, 2, 4, 8, 16, 32
MIXED: Final = 64
"""This further bit marks a word with digits in it."""

# These bits are the traits of a word or phrase; the processor's number is above them.
LEAD, PROCESSOR, STARRED, SUFFIX, STATE, CITY, NOISE, PERSON, UNIT, MONTH, COUNTRY, ENTRY = (
    1 << i for i in range(12)
)
OPENS: Final = 1 << 12
WEB: Final = 1 << 13
PROCESSOR_SHIFT: Final = 16

# These are the roles of words: merchant's name, payment wording, other entry, no role.
CORE, CONTEXT, EXTRA, DROPPED = range(4)

BYTES: Final = "Array(uint8, 1, 'C', readonly=True)"
PHRASES: Final = "Array(int64, 2, 'C', readonly=True)"
"""BYTES and PHRASES are types of arrays that are only read; writable arrays are taken too."""

_X: Final = ord("x")


def _classify_bytes() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return 0 for a separator, 1 for a letter, 2 for a digit and 3 for a joiner.

    Every byte of a longer character counts as a letter.
    """
    classes = np.zeros(256, dtype=np.uint8)
    classes[128:] = 1
    for byte in range(ord("a"), ord("z") + 1):
        classes[byte] = classes[byte - 32] = 1
    classes[ord("0") : ord("9") + 1] = 2
    classes[[ord("'"), ord("&")]] = 3
    return classes


_CLASSES = _classify_bytes()


@compile_kernel("int64(int64, int64)")
def multiply_wrapping(left, right):
    """Return a product that wraps around.

    The compiler assumes that a product of signed numbers never overflows.
    """
    return np.int64(np.uint64(left) * np.uint64(right))


@compile_kernel("int64(int64, int64)")
def mix_hash(state, value):
    """Join a hash and a value in that order."""
    return multiply_wrapping(state ^ multiply_wrapping(value, MIXER), PRIME)


@compile_kernel(f"int64({PHRASES}, int64)")
def look_up_traits(phrases, state):
    """Return the traits of a phrase, 0 when it is unknown.

    `phrases` is an open-addressed table, a power of two long.
    """
    last = phrases.shape[0] - 1
    slot = (state ^ (state >> 32)) & last
    while phrases[slot, 1] != 0:
        if phrases[slot, 0] == state:
            return phrases[slot, 1]
        slot = (slot + 1) & last
    return 0


@compile_kernel(f"int64({BYTES}, int64, int64)")
def find_row_end(text, start, stop):
    """Return the end of the part of a row that is read; no character is cut in two."""
    if stop - start <= MAX_BYTES:
        return stop
    stop = start + MAX_BYTES
    while stop > start and text[stop] & 0xC0 == 0x80:
        stop -= 1
    return stop


@compile_kernel("int64(uint8[::1], int64, int64, int64, int64, int64, int64, int64)")
def count_word_bytes(folded, first, stop, letters, digits, leading, crosses, gap):
    """Return how many bytes of a token are a word: all, a stem before glued digits, or none."""
    length = stop - first
    if digits == 0:
        return 0 if letters >= 2 and crosses == letters else length
    if letters == 0 or crosses == letters:
        return 0
    if length <= 3:
        return length if gap & STAR == 0 else 0
    stem = 0
    while stem < length and (folded[first + stem] < 48 or folded[first + stem] > 57):
        stem += 1
    if stem + digits == length and stem >= 3 and gap & STAR == 0:
        return stem
    if leading == digits and letters >= 4 and digits <= 4:
        return length
    return length if letters >= 4 and digits <= 2 and gap & STAR == 0 else 0


@compile_kernel(f"int64({BYTES}, int64, int64, uint8[::1], int64[:, ::1], {PHRASES})")
def split_words(text, start, stop, folded, words, phrases):
    """Cut a row into lower-case words with their traits; return how many there are."""
    count = size = 0
    gap = 0
    blanks = 0
    position = start
    stop = find_row_end(text, start, stop)
    while position < stop and count < MAX_WORDS:
        kind = _CLASSES[text[position]]
        if kind == 0 or kind == 3:
            byte = text[position]
            if byte == 42 or byte == 58:  # * :
                gap |= STAR
            elif byte == 47:  # /
                gap |= SLASH
            elif byte == 46:  # .
                gap |= DOT
            elif byte == 45:  # -
                gap |= HYPHEN
            elif byte == 35:  # #
                gap |= HASHSIGN
            elif byte == 32:
                blanks += 1
                if blanks > 1:
                    gap |= WIDE
            position += 1
            continue
        folded[size] = EDGE
        size += 1
        first = size
        letters = digits = leading = crosses = 0
        state = SEED
        while position < stop:
            byte = text[position]
            kind = _CLASSES[byte]
            if kind == 0:
                break
            if kind == 3:
                ends = position + 1 >= stop or _CLASSES[text[position + 1]] == 0
                if ends or byte == 39:  # an apostrophe joins two parts and is dropped
                    position += 1
                    continue
            elif kind == 2:
                digits += 1
                if letters == 0:
                    leading += 1
            else:
                letters += 1
                if byte < 128:
                    byte |= 32
                if byte == _X:
                    crosses += 1
            folded[size] = byte
            size += 1
            position += 1
        stem = count_word_bytes(folded, first, size, letters, digits, leading, crosses, gap)
        if digits > 0 and stem == size - first:
            gap |= MIXED
        words[count, START] = first
        if stem > 0:
            size = first + stem
            words[count, KIND] = WORD
            for i in range(first, size):
                state = multiply_wrapping(state ^ folded[i], PRIME)
            words[count, TRAITS] = look_up_traits(phrases, state)
        else:
            for i in range(first, size):
                state = multiply_wrapping(state ^ folded[i], PRIME)
            words[count, KIND] = NUMBER if letters == 0 else CODE
            words[count, TRAITS] = look_up_traits(phrases, state) if letters == 0 else 0
        words[count, END] = size
        folded[size] = EDGE
        size += 1
        words[count, HASH] = state
        words[count, GAP] = gap
        words[count, ROLE] = CORE if stem > 0 else DROPPED
        count += 1
        gap = 0
        blanks = 0
    return count


@compile_kernel(f"int64(int64[:, ::1], int64, int64, int64, {PHRASES})")
def measure_phrase(words, at, count, wanted, phrases):
    """Return the length of the longest phrase with a wanted trait that starts at a word, else 0."""
    traits = words[at, TRAITS]
    longest = 1 if traits & wanted != 0 else 0
    if traits & OPENS == 0:
        return longest
    state = words[at, HASH]
    for length in range(2, min(5, count - at) + 1):
        state = mix_hash(state, words[at + length - 1, HASH])
        if look_up_traits(phrases, state) & wanted != 0:
            longest = length
    return longest


@compile_kernel(f"int64(int64[:, ::1], int64, int64, {PHRASES})")
def look_up_phrase(words, at, length, phrases):
    """Return the traits of the phrase of `length` words that starts at a word."""
    state = words[at, HASH]
    for i in range(1, length):
        state = mix_hash(state, words[at + i, HASH])
    return look_up_traits(phrases, state)


@compile_kernel("int64(int64[:, ::1], int64, int64, int64)")
def find_next_core(words, at, step, stop):
    """Return the next word that is still part of the name, or `stop`."""
    while at != stop and words[at, ROLE] != CORE:
        at += step
    return at


@compile_kernel("void(int64[:, ::1], int64)")
def drop_host(words, at):
    """Drop the parts of a longer address that follows a name, such as help.uber.com."""
    first = at
    while first > 0 and words[first, GAP] & DOT != 0:
        first -= 1
    if first > 0 and at - first >= 2:
        for i in range(first, at):
            words[i, ROLE] = DROPPED


@compile_kernel("void(int64[:, ::1], int64, int64, int64)")
def mark_word(words, at, count, mode):
    """Set the role of one word in a field; units and months only count beside numbers."""
    if words[at, KIND] != WORD:
        return
    traits = words[at, TRAITS]
    before = at + 1 < count and words[at + 1, KIND] != WORD
    after = at > 0 and words[at - 1, KIND] == NUMBER
    words[at, ROLE] = mode
    if traits & UNIT != 0 and before and at > 0:
        words[at, ROLE] = CONTEXT
    if traits & MONTH != 0 and (before or after):
        words[at, ROLE] = DROPPED
    if traits & WEB != 0 and (words[at, GAP] & DOT != 0 or at == 0):
        words[at, ROLE] = CONTEXT
        drop_host(words, at)


@compile_kernel(f"void(int64[:, ::1], int64, {PHRASES})")
def mark_noise(words, count, phrases):
    """Mark words that never name a merchant: payment fields, the holder, units, months."""
    mode = CORE
    at = 0
    while at < count:
        length = measure_phrase(words, at, count, PERSON | ENTRY | NOISE, phrases)
        traits = look_up_phrase(words, at, length, phrases) if length > 0 else 0
        starred = at + length < count and words[at + length, GAP] & STAR != 0
        if (traits & ENTRY != 0 and not starred) or words[at, KIND] != WORD:
            length = 0
        if length == 0:
            mark_word(words, at, count, mode)
            at += 1
            continue
        mode = (
            DROPPED
            if traits & PERSON != 0
            else EXTRA
            if traits & ENTRY != 0 or mode != CORE
            else CORE
        )
        for i in range(at, at + length):
            words[i, ROLE] = CONTEXT
        at += length
        if at < count and words[at, GAP] & MIXED != 0:  # this is the number that the field holds
            words[at, ROLE] = DROPPED
            at += 1


@compile_kernel("boolean(int64[:, ::1], int64)")
def is_name_opener(words, at):
    """Return whether a short number before a word is part of the name, as in 7-Eleven."""
    if words[at, KIND] != NUMBER or words[at, END] - words[at, START] > 3:
        return False
    if words[at + 1, GAP] & (SLASH | DOT | WIDE) != 0 or words[at, GAP] & (HASHSIGN | SLASH) != 0:
        return False
    hyphened = words[at + 1, GAP] & HYPHEN != 0 and words[at - 1, KIND] != NUMBER
    return at == 0 or words[at, GAP] & STAR != 0 or hyphened


@compile_kernel(f"int64(int64[:, ::1], int64, {PHRASES})")
def strip_front(words, count, phrases):
    """Take payment wordings and processors off the front; return the processor, 0 for none.

    A number that opens a name stays.
    """
    processor = 0
    at = 0
    while at < count:
        if words[at, ROLE] != CORE:
            at += 1
            continue
        length = measure_phrase(words, at, count, LEAD | PROCESSOR | STARRED, phrases)
        if length == 0 or at + length >= count:
            break
        traits = look_up_phrase(words, at, length, phrases)
        starred = words[at + length, GAP] & STAR != 0
        if traits & (LEAD | PROCESSOR) == 0 and not starred:
            break
        if traits & (PROCESSOR | STARRED) != 0 and traits >> PROCESSOR_SHIFT != 0:
            processor = traits >> PROCESSOR_SHIFT
        for i in range(at, at + length):
            words[i, ROLE] = CONTEXT if words[i, KIND] == WORD else DROPPED
        at += length
    if 0 < at < count and is_name_opener(words, at - 1):
        words[at - 1, ROLE] = CORE
    return processor


@compile_kernel(f"int64(int64[:, ::1], int64, int64, boolean, int64, {PHRASES})")
def measure_city(words, first, at, placed, count, phrases):
    """Return how many words up to `at` name a place.

    A place is a known city, or all words between a gap and a state.
    """
    in_state = placed and at + 1 < count and words[at + 1, TRAITS] & STATE != 0
    longest = 0
    for length in range(1, min(3, at - first) + 1):
        begin = at - length + 1
        if words[begin, ROLE] != CORE:
            break
        is_city = look_up_phrase(words, begin, length, phrases) & CITY != 0
        apart = words[begin, GAP] & WIDE != 0 or words[begin - 1, ROLE] == DROPPED
        if (is_city and (placed or apart)) or (in_state and apart):
            longest = length
    return longest


@compile_kernel(f"void(int64[:, ::1], int64, {PHRASES})")
def strip_back(words, count, phrases):
    """Take places, legal forms and payment wordings off the end; one word always stays."""
    first = find_next_core(words, 0, 1, count)
    placed = False
    at = count - 1
    while at > first:
        role, traits = words[at, ROLE], words[at, TRAITS]
        if role != CORE:
            at -= 1
            continue
        if traits & (STATE | COUNTRY) != 0 and not placed:
            words[at, ROLE] = DROPPED
            placed = True
        elif traits & SUFFIX != 0:
            words[at, ROLE] = CONTEXT
        else:
            length = measure_city(words, first, at, placed, count, phrases)
            if length == 0:
                break
            for i in range(at - length + 1, at + 1):
                words[i, ROLE] = DROPPED
            placed = True
        at -= 1


@compile_kernel(f"int64(int64[:, ::1], int64, {PHRASES})")
def assign_roles(words, count, phrases):
    """Separate the merchant's words from the payment's; return the processor, 0 for none."""
    mark_noise(words, count, phrases)
    processor = strip_front(words, count, phrases)
    strip_back(words, count, phrases)
    if find_next_core(words, 0, 1, count) == count:
        for i in range(count):
            if words[i, KIND] == WORD:
                words[i, ROLE] = CORE
    return processor


@compile_kernel("int64(int64[:, ::1], int64)")
def gather_core(words, count):
    """List the words of the name in the column ORDER; return how many there are."""
    cores = 0
    for i in range(count):
        if words[i, ROLE] == CORE:
            words[cores, ORDER] = i
            cores += 1
    return cores
