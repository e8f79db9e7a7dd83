"""The scorer is the serving form of the model: it gives verdicts on columns and explains them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from categorizer import artifact, taxonomy
from categorizer.calibration import Calibration
from categorizer.columns import MODEL, RULE, SOURCES, Columns, Verdicts, encode_currencies
from categorizer.errors import CorruptArtifact
from categorizer.explanation import (
    Alternative,
    VerdictExplanation,
    compute_probabilities,
    derive_features,
    find_processor,
    rank_reasons,
    weigh_features,
)
from categorizer.kernels.buffer import pack_descriptions
from categorizer.kernels.scores import find_cases, find_texts, score_cases
from categorizer.normalize import split_lines
from categorizer.phrases import load_phrases
from categorizer.rules import Rules
from categorizer.weights import UNIT, Weights

_ROWS_AT_ONCE: Final = 32_768
"""So many rows are scored together: repeats meet, and the processor's cache still holds them."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A scorer is a model that any number of threads may use at once; it never changes."""

    version: int
    threshold: float
    metrics: dict[str, Any]
    taxonomy: taxonomy.CategoryTaxonomy
    weights: Weights
    rules: Rules
    calibration: Calibration

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and verify a model; processes share its arrays, which are mapped into memory.

        Raises CorruptArtifact or IncompatibleModel.
        """
        try:
            manifest = artifact.read_manifest(folder)
            model = cls(
                version=int(manifest["version"]),
                threshold=float(manifest["threshold"]),
                metrics=manifest["metrics"],
                taxonomy=taxonomy.load_taxonomy(),
                weights=Weights(**artifact.map_arrays(folder, manifest["files"], Weights)),
                rules=Rules(**artifact.map_arrays(folder, manifest["files"], Rules)),
                calibration=Calibration.from_manifest(manifest["calibration"]),
            )
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise CorruptArtifact(f"model in {folder} cannot be read: {error}") from error
        model.check_parts()
        return model

    def check_parts(self) -> None:
        """Raise CorruptArtifact when the parts do not fit together."""
        self.weights.check_arrays()
        if not (self.rules.is_sound(len(self.taxonomy.detailed)) and self.calibration.is_sound()):
            raise CorruptArtifact("rules or calibration of the model are not sound")

    def warm(self) -> None:
        """Load the machine code and touch every page of the arrays."""
        for field in fields(self.weights):
            getattr(self.weights, field.name).max()
        one = Columns(["warm"], np.array([-1]), np.zeros(1, dtype=np.int16), ["USD"])
        self.categorize(one)

    def categorize(self, columns: Columns) -> Verdicts:
        """Return verdicts on n transactions, for any n; rules come before the model."""
        return _join_verdicts(
            [
                self._score_rows(columns, slice(start, start + _ROWS_AT_ONCE))
                for start in range(0, len(columns), _ROWS_AT_ONCE)
            ]
        )

    def explain(self, columns: Columns, row: int = 0) -> VerdictExplanation:
        """Return what decided one row, what weighed most in the model, and the alternatives."""
        one = Columns(
            [columns.descriptions[row]],
            columns.amounts[[row]],
            columns.mccs[[row]],
            [columns.currencies[row]],
        )
        verdict = self.categorize(one)
        features = derive_features(one, 0)
        added = weigh_features(self.weights, features)
        likely = compute_probabilities(self.weights, added)
        order = np.argsort(-likely, kind="stable")
        category = self.taxonomy.detailed[verdict.codes[0]]
        return VerdictExplanation(
            code=category.code,
            primary=category.primary,
            confidence=float(verdict.confidences[0]),
            source=SOURCES[verdict.sources[0]],
            needs_review=bool(verdict.needs_review[0]),
            merchant=verdict.merchants[0],
            merchant_key=verdict.merchant_keys[0],
            processor=find_processor(one.descriptions[0]),
            reasons=rank_reasons(features, added[:, order[0]]),
            alternatives=[
                Alternative(self.taxonomy.primaries[i].code, round(float(likely[i]), 4))
                for i in order[:5]
            ],
        )

    def predict(self, columns: Columns) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Return the model's codes and the uncalibrated probabilities of their primaries."""
        scored = self._score_distinct(
            columns.descriptions,
            np.ascontiguousarray(columns.amounts, dtype=np.int64),
            np.ascontiguousarray(columns.mccs, dtype=np.int16),
            encode_currencies(columns.currencies),
        )
        return scored.codes, scored.probabilities

    def _score_rows(self, columns: Columns, rows: slice) -> Verdicts:
        mccs = np.ascontiguousarray(columns.mccs[rows], dtype=np.int16)
        scored = self._score_distinct(
            columns.descriptions[rows],
            np.ascontiguousarray(columns.amounts[rows], dtype=np.int64),
            mccs,
            encode_currencies(columns.currencies[rows]),
        )
        confidences = self.calibration.calibrate(scored.probabilities).astype(np.float32)
        ruled, ruled_confidences = self.rules.look_up_mccs(mccs)
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
    ) -> "_ScoredRows":
        """Return the model's answers; each distinct case is scored only once."""
        buffer = pack_descriptions(descriptions)
        size = len(buffer)
        texts, row_of_text, case_of_row, row_of_case, next_case = np.empty(
            (5, size), dtype=np.int64
        )
        slots = np.zeros((2, 1 << (2 * size).bit_length()), dtype=np.int64)
        text_count = find_texts(buffer.text, buffer.bounds, slots[0], texts, row_of_text)
        first_case = np.full(text_count, -1)
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
        score_cases(
            buffer.text,
            buffer.bounds,
            amounts,
            mccs,
            currencies,
            row_of_case,
            first_case,
            next_case,
            load_phrases().phrases,
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
        return _ScoredRows(
            codes[case_of_row],
            probabilities[case_of_row],
            _spread_names(split_lines(merchants, int(sizes[0])), texts),
            _spread_names(split_lines(merchant_keys, int(sizes[1])), texts),
        )


@dataclass(frozen=True, slots=True)
class _ScoredRows:
    codes: NDArray[np.int16]
    probabilities: NDArray[np.float64]
    merchants: list[str]
    merchant_keys: list[str]


def _spread_names(distinct: list[str], texts: NDArray[np.int64]) -> list[str]:
    """Return the string of each row from the strings of the distinct texts."""
    return distinct if len(distinct) == len(texts) else [distinct[i] for i in texts.tolist()]


def _join_verdicts(parts: list[Verdicts]) -> Verdicts:
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
