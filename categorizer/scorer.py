"""The serving form of the model.

A model is a folder: `manifest.json` and one `.npy` file for each array. The manifest holds

    format       1
    version      whole number of this model
    taxonomy     {"version", "hash"}: of `taxonomy.load()`
    features     {"version", "wordings"}: `wordings.FEATURES_VERSION`, `wordings.load().content_hash`
    calibration  {"confidence": [0.0, ..., 1.0], "calibrated": [...]}: a rising line of points
                 that maps the probability of the likeliest primary to what it is worth
    threshold    calibrated confidence below which a row of a rule or the model needs review
    metrics      whatever was measured
    files        {file name: sha256 in hex}

and the arrays are those of `export.export`, plus `mcc_codes` (int16, shape (10000,), index of
the detailed code that a merchant category code settles, -1 where it settles none) and
`mcc_confidences` (float32, the same shape).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from categorizer import phrases as wordings
from categorizer import taxonomy, weights
from categorizer.columns import MODEL, RULE, SOURCES, USER, Columns, Verdicts, currency_numbers
from categorizer.errors import CorruptArtifact, IncompatibleModel
from categorizer.explanation import (
    Alternative,
    Explanation,
    features_of,
    probabilities,
    processor_of,
    reasons,
    weigh,
)
from categorizer.kernels.buffer import pack
from categorizer.kernels.scores import find_cases, find_texts, score
from categorizer.memory import MerchantMemory
from categorizer.normalize import lines
from categorizer.rules import Rules
from categorizer.weights import UNIT, Weights

FORMAT: Final = 1

_ROWS_AT_ONCE: Final = 32_768
"""Rows scored together: enough to meet repeats, few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model, ready to serve from any number of threads; it never changes."""

    version: int
    threshold: float
    metrics: dict[str, Any]
    taxonomy: taxonomy.Taxonomy
    weights: Weights
    rules: Rules
    calibration: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads and verifies a model; its arrays are mapped, so processes share them.

        Raises CorruptArtifact or IncompatibleModel.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            _check_compatible(manifest)
            arrays = {name: _array(folder, f"{name}.npy", manifest["files"]) for name in _names()}
            calibration = tuple(
                np.array(manifest["calibration"][name], dtype=np.float64)
                for name in ("confidence", "calibrated")
            )
            model = cls(
                version=int(manifest["version"]),
                threshold=float(manifest["threshold"]),
                metrics=manifest["metrics"],
                taxonomy=taxonomy.load(),
                weights=Weights(**{name: arrays[name] for name in weights.names()}),
                rules=Rules(arrays["mcc_codes"], arrays["mcc_confidences"]),
                calibration=(calibration[0], calibration[1]),
            )
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise CorruptArtifact(f"model in {folder} cannot be read: {error}") from error
        model.check()
        return model

    def check(self) -> None:
        """Raises CorruptArtifact when the parts do not fit together."""
        self.weights.check()
        given, worth = self.calibration
        sound = (
            self.rules.check(len(self.taxonomy.detailed))
            and len(given) == len(worth) >= 2
            and bool((np.diff(given) > 0).all())
            and bool(((worth >= 0) & (worth <= 1)).all())
        )
        if not sound:
            raise CorruptArtifact("rules or calibration of the model are not sound")

    def warm(self) -> None:
        """Loads machine code and touches every page of the arrays."""
        for name in weights.names():
            getattr(self.weights, name).max()
        one = Columns(["warm"], np.array([-1]), np.zeros(1, dtype=np.int16), ["USD"])
        self.categorize(one)

    def categorize(self, columns: Columns, memory: MerchantMemory | None = None) -> Verdicts:
        """Verdicts of n transactions, of any n; user > memory > rule > model."""
        parts = [
            self._score(columns, slice(start, start + _ROWS_AT_ONCE))
            for start in range(0, len(columns), _ROWS_AT_ONCE)
        ]
        verdicts = _join(parts)
        if memory is not None:
            _recall(verdicts, memory, columns.amounts)
        return verdicts

    def explain(
        self, columns: Columns, row: int = 0, memory: MerchantMemory | None = None
    ) -> Explanation:
        """What decided one row, what weighed most in the model, and the alternatives."""
        one = Columns(
            [columns.descriptions[row]],
            columns.amounts[[row]],
            columns.mccs[[row]],
            [columns.currencies[row]],
        )
        own = memory and MerchantMemory([memory.users[row]], memory.known)
        verdict = self.categorize(one, own)
        found = features_of(one, 0)
        added = weigh(self.weights, found)
        likely = probabilities(self.weights, added)
        order = np.argsort(-likely, kind="stable")
        category = self.taxonomy.detailed[verdict.codes[0]]
        return Explanation(
            code=category.code,
            primary=category.primary,
            confidence=float(verdict.confidences[0]),
            source=SOURCES[verdict.sources[0]],
            needs_review=bool(verdict.needs_review[0]),
            merchant=verdict.merchants[0],
            merchant_key=verdict.merchant_keys[0],
            processor=processor_of(one.descriptions[0]),
            reasons=reasons(found, added[:, order[0]]),
            alternatives=[
                Alternative(self.taxonomy.primaries[i].code, round(float(likely[i]), 4))
                for i in order[:5]
            ],
        )

    def predict(self, columns: Columns) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Codes of the model alone and uncalibrated probabilities of their primaries."""
        scored = self._score_distinct(
            columns.descriptions,
            np.ascontiguousarray(columns.amounts, dtype=np.int64),
            np.ascontiguousarray(columns.mccs, dtype=np.int16),
            currency_numbers(columns.currencies),
        )
        return scored.codes, scored.probabilities

    def _score(self, columns: Columns, rows: slice) -> Verdicts:
        mccs = np.ascontiguousarray(columns.mccs[rows], dtype=np.int16)
        scored = self._score_distinct(
            columns.descriptions[rows],
            np.ascontiguousarray(columns.amounts[rows], dtype=np.int64),
            mccs,
            currency_numbers(columns.currencies[rows]),
        )
        confidences = np.interp(scored.probabilities, *self.calibration).astype(np.float32)
        ruled, ruled_confidences = self.rules.apply(mccs)
        by_rule = ruled >= 0
        confidences = np.where(by_rule, ruled_confidences, confidences)
        return Verdicts(
            codes=np.where(by_rule, ruled, scored.codes),
            confidences=confidences,
            sources=np.where(by_rule, np.uint8(RULE), np.uint8(MODEL)),
            needs_review=confidences < self.threshold,
            merchants=scored.merchants,
            merchant_keys=scored.merchant_keys,
        )

    def _score_distinct(
        self,
        descriptions: Sequence[str],
        amounts: NDArray[np.int64],
        mccs: NDArray[np.int16],
        currencies: NDArray[np.int64],
    ) -> "_Scored":
        """The model's answers; each distinct case is scored once."""
        buffer = pack(descriptions)
        size = len(buffer)
        texts, row_of_text, case_of_row, row_of_case, next_case = np.empty(
            (5, size), dtype=np.int64
        )
        slots = np.zeros((2, 1 << (2 * size).bit_length()), dtype=np.int64)
        found = find_texts(buffer.text, buffer.bounds, slots[0], texts, row_of_text)
        first_case = np.full(found, -1)
        cases = find_cases(
            texts,
            amounts,
            mccs,
            currencies,
            slots[1],
            case_of_row,
            row_of_case,
            first_case,
            next_case,
        )
        codes, probabilities = np.empty(cases, np.int16), np.empty(cases)
        merchants, merchant_keys = np.empty((2, len(buffer.text) + 1), dtype=np.uint8)
        sizes = np.zeros(2, dtype=np.int64)
        score(
            buffer.text,
            buffer.bounds,
            amounts,
            mccs,
            currencies,
            row_of_case,
            first_case,
            next_case,
            wordings.load().phrases,
            self.weights.index,
            self.weights.rows,
            self.weights.row_keys,
            self.weights.intercepts,
            self.weights.detail_index,
            self.weights.detail_rows,
            self.weights.detail_row_keys,
            self.weights.detail_intercepts,
            self.weights.detail_codes,
            UNIT / 4,
            codes,
            probabilities,
            merchants,
            merchant_keys,
            sizes,
        )
        return _Scored(
            codes[case_of_row],
            probabilities[case_of_row],
            _spread(lines(merchants, int(sizes[0])), texts),
            _spread(lines(merchant_keys, int(sizes[1])), texts),
        )


@dataclass(frozen=True, slots=True)
class _Scored:
    codes: NDArray[np.int16]
    probabilities: NDArray[np.float64]
    merchants: list[str]
    merchant_keys: list[str]


def _spread(distinct: list[str], texts: NDArray[np.int64]) -> list[str]:
    """The string of each row, given those of the distinct texts."""
    return distinct if len(distinct) == len(texts) else [distinct[i] for i in texts.tolist()]


def _join(parts: list[Verdicts]) -> Verdicts:
    if len(parts) == 1:
        return parts[0]
    empty = (np.empty(0, t) for t in (np.int16, np.float32, np.uint8, np.bool_))
    kinds = ("codes", "confidences", "sources", "needs_review")
    arrays = {
        name: np.concatenate([none, *(getattr(part, name) for part in parts)])
        for name, none in zip(kinds, empty, strict=True)
    }
    return Verdicts(
        **arrays,
        merchants=[name for part in parts for name in part.merchants],
        merchant_keys=[key for part in parts for key in part.merchant_keys],
    )


def _recall(verdicts: Verdicts, memory: MerchantMemory, amounts: NDArray[np.int64]) -> None:
    for row, fact in memory.recall(verdicts.merchant_keys, amounts):
        verdicts.codes[row] = fact.code
        verdicts.sources[row] = fact.source
        verdicts.confidences[row] = 1.0 if fact.source == USER else fact.confidence
        verdicts.needs_review[row] = False


def _names() -> list[str]:
    return [*weights.names(), "mcc_codes", "mcc_confidences"]


def _check_compatible(manifest: dict[str, Any]) -> None:
    ours = {
        "format": FORMAT,
        "taxonomy": taxonomy.load().content_hash,
        "features": [wordings.FEATURES_VERSION, wordings.load().content_hash],
    }
    theirs = {
        "format": manifest["format"],
        "taxonomy": manifest["taxonomy"]["hash"],
        "features": [manifest["features"]["version"], manifest["features"]["wordings"]],
    }
    for name, value in ours.items():
        if theirs[name] != value:
            raise IncompatibleModel(f"the model was built for another {name}")


def _array(folder: Path, name: str, files: dict[str, str]) -> NDArray[Any]:
    with (folder / name).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != files[name]:
            raise CorruptArtifact(f"{name} differs from its manifest")
    mapped = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    return np.asarray(mapped)
