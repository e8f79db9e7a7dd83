"""The hashes of words and features, once in plain Python; `kernels` computes the same, compiled.

All arithmetic is that of signed 64-bit integers that wrap around.
"""

from typing import Final

SEED: Final = 0x1E3779B97F4A7C15
PRIME: Final = 0x100000001B3
MIXER: Final = 0x2545F4914F6CDD1D


def wrap(value: int) -> int:
    """The signed 64-bit integer that a machine would hold."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def word_hash(word: bytes) -> int:
    state = SEED
    for byte in word:
        state = wrap((state ^ byte) * PRIME)
    return state


def mix(state: int, value: int) -> int:
    """Joins a hash and a value in that order."""
    return wrap((state ^ wrap(value * MIXER)) * PRIME)


def phrase_hash(words: list[bytes]) -> int:
    """Hash of a sequence of words; of one word it is the hash of that word."""
    state = word_hash(words[0])
    for word in words[1:]:
        state = mix(state, word_hash(word))
    return state


def feature_key(state: int) -> int:
    """The 32 bits under which a feature is known."""
    return ((wrap((state ^ (state >> 29)) * MIXER) >> 32) & 0xFFFFFFFF) | 2
