"""The lexicon becomes weighted training rows, each entry in wordings that banks really use.

Background rows are added: people, bare references, names without a cue, pay from invented
employers. They teach the model the prior of lines whose names say nothing.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.columns import Columns
from models.corpus import lexicon, tables
from models.corpus.background import Background
from models.corpus.lexicon import Entry
from models.corpus.names import Names
from models.corpus.wordings import CURRENCIES, Wordings

VARIANTS = {"merchant": 6, "biller": 7, "bank": 5, "word": 12}
BACKGROUND_SHARE = 0.2
REFUND_SHARE = 0.07
MCC_SHARE = 0.15
PLATFORM_SHARE = 0.08
PLATFORMS = {
    "FOOD_AND_DRINK_RESTAURANT": "toast",
    "FOOD_AND_DRINK_COFFEE": "toast",
    "FOOD_AND_DRINK_BEER": "toast",
    "GENERAL_MERCHANDISE": "shopify",
    "PERSONAL_CARE_HAIR": "salon",
}
Line = tuple[str, str, str, bool]
"""A line is text, region, detailed code and whether money comes in."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus holds training rows of length n: columns, detailed codes and the weight of each row."""

    columns: Columns
    codes: NDArray[np.int16]
    weights: NDArray[np.float64]


def generate_corpus(seed: int = 0, withheld: float = 0.0) -> Corpus:
    """Return the whole corpus; equal seed and tables give equal rows.

    `withheld` is the share of merchants and billers that is left out. A model of the rest meets
    as many unknown names as it will among people whose merchants are in no list.
    """
    source = random.Random(seed)  # noqa: S311
    entries = lexicon.read_entries()
    if withheld:
        entries = withhold_names(entries, source, withheld)
    return CorpusGenerator(source, entries).build_corpus()


def withhold_names(entries: list[Entry], source: random.Random, share: float) -> list[Entry]:
    """Drop named entries by their first word, so that all forms of a name go together."""
    first_words = sorted({entry.text.split()[0] for entry in entries})
    dropped = {word for word in first_words if source.random() < share}
    named = ("merchant", "biller")
    return [e for e in entries if e.kind not in named or e.text.split()[0] not in dropped]


class CorpusGenerator:
    """The generator draws training rows from a seeded source."""

    def __init__(self, source: random.Random, entries: list[Entry]) -> None:
        self.source = source
        self.wordings = Wordings(source)
        self.names = Names(source, self.wordings)
        self.entries = entries
        self.background = Background(source, self.wordings, self.names, self.entries)
        self.amounts = {row["category"]: row for row in tables.read_rows("amounts.tsv")}
        self.mccs: dict[str, list[int]] = defaultdict(list)
        for row in tables.read_rows("mcc.tsv"):
            self.mccs[row["category"]].append(int(row["mcc"]))

    def build_corpus(self) -> Corpus:
        """Return the rows of all entries and the background rows, with their weights."""
        taught = list(self.draw_lines())
        size = BACKGROUND_SHARE / (1 - BACKGROUND_SHARE) * len(taught)
        unknown = list(self.background.draw_lines(int(size)))
        weights = np.concatenate([np.sqrt(self._weigh_lines(taught)), np.ones(len(unknown))])
        return self._build_columns(taught + unknown, weights / weights.mean())

    def draw_lines(self) -> Iterator[Line]:
        """Yield every entry in several wordings, then the weak labels."""
        for entry in self.entries:
            yield from self._draw_entry(entry)
        yield from self._read_weak_labels()

    def _draw_entry(self, entry: Entry) -> Iterator[Line]:
        draw: dict[str, Callable[[Entry], Line]] = {
            "merchant": self._draw_merchant,
            "biller": self._draw_biller,
            "bank": self._draw_bank,
            "word": self._draw_word,
        }
        yield self._draw_bare(entry)
        for _ in range(VARIANTS[entry.kind] - 1):
            yield draw[entry.kind](entry)

    def _draw_bare(self, entry: Entry) -> Line:
        money_in = self._draw_money_in(entry)
        return entry.text, "us", self._direct_transfer(entry.category, money_in=money_in), money_in

    def _draw_merchant(self, entry: Entry) -> Line:
        return self._draw_card(entry, self.names.print_name(entry.text))

    def _draw_word(self, entry: Entry) -> Line:
        if entry.direction == "in":
            return self._draw_biller(entry)
        return self._draw_card(entry, self.names.dress_word(entry.text))

    def _draw_card(self, entry: Entry, name: str) -> Line:
        region = self.wordings.draw_region()
        if entry.direction == "in" or self.source.random() < REFUND_SHARE:
            return self.wordings.draw_line("refund", region, m=name), region, entry.category, True
        use = self._draw_platform(entry.category)
        return self.wordings.draw_line(use, region, m=name), region, entry.category, False

    def _draw_platform(self, category: str) -> str:
        """Return the platform; some serve one trade alone, as Toast serves restaurants."""
        for start, use in PLATFORMS.items():
            if category.startswith(start) and self.source.random() < PLATFORM_SHARE:
                return use
        return "card"

    def _draw_biller(self, entry: Entry) -> Line:
        region, money_in = self.wordings.draw_region(), self._draw_money_in(entry)
        name = self.names.print_name(entry.text)
        text = self.wordings.draw_line("biller_in" if money_in else "biller_out", region, m=name)
        return text, region, self._direct_transfer(entry.category, money_in=money_in), money_in

    def _draw_bank(self, entry: Entry) -> Line:
        region, money_in = self.wordings.draw_region(), self._draw_money_in(entry)
        text = self.wordings.draw_line("bank", region, m=entry.text)
        return text, region, self._direct_transfer(entry.category, money_in=money_in), money_in

    def _draw_money_in(self, entry: Entry) -> bool:
        if entry.direction != "any":
            return entry.direction == "in"
        if entry.category.startswith(("TRANSFER", "INCOME")):
            return self.source.random() < 0.5
        return self.source.random() < REFUND_SHARE

    def _direct_transfer(self, category: str, *, money_in: bool) -> str:
        """Return the category, or its counterpart for a transfer of the other direction."""
        wrong, right = ("_OUT_", "_IN_") if money_in else ("_IN_", "_OUT_")
        if not category.startswith("TRANSFER" + wrong):
            return category
        other = f"TRANSFER{right}OTHER_TRANSFER{right}".rstrip("_")
        turned = category.replace(wrong, right, 1)
        return turned if turned in self.amounts else other

    def _read_weak_labels(self) -> Iterator[Line]:
        for row in tables.read_rows("purchase_cards.tsv"):
            yield row["merchant"], "uk", row["category"], False
        for row in tables.read_rows("mcc.tsv"):
            if not 3000 <= int(row["mcc"]) < 4000:
                yield row["description"], "us", row["category"], False

    def _weigh_lines(self, lines: list[Line]) -> NDArray[np.float64]:
        """Return weights that give each detailed code its share of a consumer's rows."""
        primary_of = {
            category.code: category.primary for category in taxonomy.load_taxonomy().detailed
        }
        primary_share = {r["primary"]: float(r["share"]) for r in tables.read_rows("primaries.tsv")}
        counts = Counter(code for _, _, code, _ in lines)
        total: Counter[str] = Counter()
        for code in counts:
            total[primary_of[code]] += int(self.amounts[code]["share"])
        whole = sum(primary_share[primary] for primary in total)
        weight = {
            code: primary_share[primary_of[code]]
            / whole
            * float(self.amounts[code]["share"])
            / total[primary_of[code]]
            / count
            * len(lines)
            for code, count in counts.items()
        }
        return np.array([weight[code] for _, _, code, _ in lines])

    def _build_columns(self, lines: list[Line], weights: NDArray[np.float64]) -> Corpus:
        index = taxonomy.load_taxonomy().index
        columns = Columns(
            descriptions=[text for text, _, _, _ in lines],
            amounts=np.array([self._draw_amount(code, money_in) for _, _, code, money_in in lines]),
            mccs=np.array([self._draw_mcc(code) for _, _, code, _ in lines], dtype=np.int16),
            currencies=[CURRENCIES[region] for _, region, _, _ in lines],
        )
        codes = np.array([index[code] for _, _, code, _ in lines], dtype=np.int16)
        return Corpus(columns, codes, weights)

    def _draw_amount(self, code: str, money_in: bool) -> int:  # noqa: FBT001
        row = self.amounts[code]
        drawn = self.source.lognormvariate(math.log(float(row["median"])), float(row["spread"]))
        cents = max(1, round(drawn * 100))
        return cents if money_in else -cents

    def _draw_mcc(self, code: str) -> int:
        choices = self.mccs.get(code)
        return self.source.choice(choices) if choices and self.source.random() < MCC_SHARE else 0
