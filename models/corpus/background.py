"""Background rows have names without a cue: people, references, unknown merchants, employers.

Their categories are drawn from a consumer's prior.
"""

import random
from collections.abc import Callable, Iterator, Sequence

from models.corpus import tables
from models.corpus.lexicon import Entry
from models.corpus.names import Names
from models.corpus.wordings import Wordings

Line = tuple[str, str, str, bool]

PLATFORMS = (
    ("toast", "FOOD_AND_DRINK_RESTAURANT"),
    ("toast", "FOOD_AND_DRINK_RESTAURANT"),
    ("toast", "FOOD_AND_DRINK_BEER_WINE_AND_LIQUOR"),
    ("delivery", "FOOD_AND_DRINK_RESTAURANT"),
    ("shopify", "GENERAL_MERCHANDISE_OTHER_GENERAL_MERCHANDISE"),
    ("shopify", "GENERAL_MERCHANDISE_CLOTHING_AND_ACCESSORIES"),
    ("ticket", "ENTERTAINMENT_OTHER_ENTERTAINMENT"),
    ("salon", "PERSONAL_CARE_HAIR_AND_BEAUTY"),
    ("donation", "GOVERNMENT_AND_NON_PROFIT_DONATIONS"),
)


class Background:
    """The background draws lines without a cue; `draw_lines` says how often each kind comes."""

    def __init__(
        self, source: random.Random, wordings: Wordings, names: Names, entries: Sequence[Entry]
    ) -> None:
        self.source = source
        self.wordings = wordings
        self.names = names
        self._companies = [e.text for e in entries if e.kind == "merchant" and e.direction != "in"]
        rows = [r for r in tables.read_rows("amounts.tsv") if not r["category"].startswith("OTHER")]
        self._unknown_codes = [row["category"] for row in rows]
        prior = {r["primary"]: float(r["unknown"]) for r in tables.read_rows("primaries.tsv")}
        total = {
            p: sum(float(r["share"]) for r in rows if r["category"].startswith(p + "_"))
            for p in prior
        }
        self._unknown_shares = [
            next(prior[p] / total[p] for p in prior if row["category"].startswith(p + "_"))
            * float(row["share"])
            for row in rows
        ]

    def draw_lines(self, count: int) -> Iterator[Line]:
        """Yield `count` lines; the kinds are drawn by their weights."""
        kinds: dict[Callable[[], Line], int] = {
            self.draw_unknown_merchant: 46,
            self.draw_person_out: 17,
            self.draw_person_in: 9,
            self.draw_payroll: 12,
            self.draw_company_credit: 3,
            self.draw_reference_out: 7,
            self.draw_reference_in: 4,
            self.draw_person_as_merchant: 2,
            self.draw_on_platform: 9,
        }
        for draw in self.source.choices(list(kinds), list(kinds.values()), k=count):
            yield draw()

    def draw_unknown_merchant(self) -> Line:
        """Draw a card purchase at a merchant whose name says nothing."""
        region = self.wordings.draw_region()
        text = self.wordings.draw_line("card", region, m=self.names.draw_unknown())
        code = self.source.choices(self._unknown_codes, self._unknown_shares)[0]
        return text, region, code, False

    def draw_on_platform(self) -> Line:
        """Draw a purchase at an unknown merchant whose payment platform tells the trade."""
        use, code = self.source.choice(PLATFORMS)
        name = self.wordings.draw_person() if use == "salon" else self.names.draw_unknown()
        region = self.wordings.draw_region()
        return self.wordings.draw_line(use, region, m=name), region, code, False

    def draw_person_as_merchant(self) -> Line:
        """Draw a card purchase at a merchant who bills under a person's name."""
        region = self.wordings.draw_region()
        text = self.wordings.draw_line("card", region, m=self.wordings.draw_person())
        code = self.source.choice((
            "PERSONAL_CARE_HAIR_AND_BEAUTY", "GENERAL_SERVICES_OTHER_GENERAL_SERVICES",
            "FOOD_AND_DRINK_RESTAURANT", "MEDICAL_PRIMARY_CARE",
        ))  # fmt: skip
        return text, region, code, False

    def draw_person_out(self) -> Line:
        """Draw a payment to a person."""
        return self._draw_plain("person_out", "TRANSFER_OUT_ACCOUNT_TRANSFER", money_in=False)

    def draw_person_in(self) -> Line:
        """Draw a payment from a person."""
        return self._draw_plain("person_in", "TRANSFER_IN_ACCOUNT_TRANSFER", money_in=True)

    def draw_reference_out(self) -> Line:
        """Draw money out that names only a reference."""
        return self._draw_plain("reference_out", "TRANSFER_OUT_OTHER_TRANSFER_OUT", money_in=False)

    def draw_reference_in(self) -> Line:
        """Draw money in that names only a reference."""
        return self._draw_plain("reference_in", "TRANSFER_IN_DEPOSIT", money_in=True)

    def draw_payroll(self) -> Line:
        """Draw pay from an employer, by the payroll wording."""
        region = self.wordings.draw_region()
        text = self.wordings.draw_line("payroll", region, company=self._draw_employer())
        return text, region, "INCOME_SALARY", True

    def draw_company_credit(self) -> Line:
        """Draw money from a company without a reason, which is more often pay than a transfer."""
        region = self.wordings.draw_region()
        text = self.wordings.draw_line("biller_in", region, m=self._draw_employer())
        codes = ("INCOME_SALARY", "INCOME_OTHER", "TRANSFER_IN_OTHER_TRANSFER_IN")
        return text, region, self.source.choices(codes, (5, 2, 3))[0], True

    def _draw_plain(self, use: str, code: str, *, money_in: bool) -> Line:
        region = self.wordings.draw_region()
        return self.wordings.draw_line(use, region), region, code, money_in

    def _draw_employer(self) -> str:
        if self._companies and self.source.random() < 0.3:
            return self.source.choice(self._companies)
        return self.names.draw_employer()
