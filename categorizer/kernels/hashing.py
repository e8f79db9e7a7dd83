"""Words and features are hashed here in plain Python; the kernels compute equal hashes, compiled.

All arithmetic is that of signed 64-bit integers that wrap around.
"""

from typing import Final

SEED: Final = 0x1E3779B97F4A7C15
PRIME: Final = 0x100000001B3
MIXER: Final = 0x2545F4914F6CDD1D


def wrap_integer(value: int) -> int:
    """Return the signed 64-bit integer that a machine would hold."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def hash_word(word: bytes) -> int:
    """Return the hash of a word's bytes."""
    state = SEED
    for byte in word:
        state = wrap_integer((state ^ byte) * PRIME)
    return state


def mix_hash(state: int, value: int) -> int:
    """Join a hash and a value in that order."""
    return wrap_integer((state ^ wrap_integer(value * MIXER)) * PRIME)


def hash_phrase(words: list[bytes]) -> int:
    """Return the hash of a sequence of words; one word has the hash of that word."""
    state = hash_word(words[0])
    for word in words[1:]:
        state = mix_hash(state, hash_word(word))
    return state


def hash_feature(state: int) -> int:
    """Return the 32 bits that name a feature."""
    return ((wrap_integer((state ^ (state >> 29)) * MIXER) >> 32) & 0xFFFFFFFF) | 2
