"""Wordings print a name as banks do: they fill the patterns of `wordings.tsv`.

References, places and people in them are invented.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable

from models.corpus import tables

REGIONS = ("us", "uk", "ca", "au", "nz", "eu")
REGION_SHARES = (72, 10, 6, 4, 2, 6)
CURRENCIES = {"us": "USD", "uk": "GBP", "ca": "CAD", "au": "AUD", "nz": "NZD", "eu": "EUR"}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MEMOS = [
    "rent",
    "dinner",
    "pizza",
    "lunch",
    "groceries",
    "birthday",
    "gift",
    "thanks",
    "utilities",
    "drinks",
    "tickets",
    "trip",
    "gas",
    "babysitting",
    "tennis",
    "lessons",
    "haircut",
    "house",
    "share",
    "money",
    "love",
    "coffee",
    "bills",
    "wifi",
    "holiday",
]
SURNAME_HEADS = [
    "ash",
    "black",
    "brook",
    "carl",
    "castle",
    "cunning",
    "dal",
    "east",
    "fair",
    "fen",
    "gar",
    "gold",
    "hal",
    "ham",
    "har",
    "hart",
    "hen",
    "hollo",
    "ing",
    "jan",
    "kel",
    "klein",
    "kor",
    "lang",
    "len",
    "lind",
    "lock",
    "mal",
    "mar",
    "mor",
    "nor",
    "oak",
    "ober",
    "os",
    "pen",
    "pet",
    "quin",
    "rad",
    "ros",
    "sand",
    "sar",
    "schon",
    "stein",
    "strat",
    "sull",
    "sutter",
    "tor",
    "um",
    "van",
    "ver",
    "wal",
    "wes",
    "win",
    "wood",
    "yar",
    "zim",
]
SURNAME_TAILS = [
    "berg",
    "bury",
    "by",
    "croft",
    "dale",
    "den",
    "er",
    "ez",
    "field",
    "ford",
    "gate",
    "ham",
    "haus",
    "ini",
    "ko",
    "kowski",
    "ley",
    "man",
    "mann",
    "mond",
    "mont",
    "nell",
    "ova",
    "owicz",
    "rick",
    "ridge",
    "ski",
    "smith",
    "son",
    "sen",
    "stad",
    "stein",
    "ton",
    "vitch",
    "wald",
    "ward",
    "way",
    "well",
    "wick",
    "wood",
    "worth",
]
SLOT = re.compile(r"\{(\w+)\}")


class Wordings:
    """Wordings are drawn from one seeded source; equal seeds give equal lines."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self._patterns: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in tables.read_rows("wordings.tsv"):
            self._patterns[row["use"], row["region"]].append(row["pattern"])
        self._fillers: dict[str, Callable[[], str]] = {
            "store": lambda: self.draw_digits(source.choice((2, 3, 4, 4, 5))),
            "card4": lambda: self.draw_digits(4),
            "ref": self._draw_reference,
            "phone": self._draw_phone,
            "md": lambda: "{:02}/{:02}".format(*self._draw_month_day()),
            "mmdd": lambda: "{:02}{:02}".format(*self._draw_month_day()),
            "yy": lambda: str(source.randint(15, 26)),
            "ddmon": self._draw_day_month,
            "time": lambda: f"{source.randint(0, 23):02}:{source.randint(0, 59):02}",
            "mcc": lambda: self.draw_digits(4),
            "amount": lambda: f"{source.randint(1, 99)}.{self.draw_digits(2)}",
            "PERSON": self.draw_person,
            "FIRST": self.draw_first_name,
            "LAST": self.draw_surname,
            "MEMO": lambda: source.choice(MEMOS),
        }
        self._places: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in tables.read_rows("places.tsv"):
            self._places[row["region"]].append((row["city"], row["state"]))

    def draw_region(self) -> str:
        """Return a region by its share."""
        return self.source.choices(REGIONS, REGION_SHARES)[0]

    def draw_line(self, use: str, region: str, **slots: str) -> str:
        """Return a line of the kind `use` (card, refund, biller_out, ...) as printed in `region`."""
        everywhere, here = self._patterns[use, "any"], self._patterns[use, region]
        own = here if not everywhere or (here and self.source.random() < 0.6) else everywhere
        return self.fill_pattern(
            self.source.choice(own or self._patterns[use, "us"]), region, slots
        )

    def fill_pattern(self, pattern: str, region: str, slots: dict[str, str]) -> str:
        """Return the pattern with `slots` and invented details filled in."""
        return self._draw_case(
            SLOT.sub(lambda slot: slots.get(slot[1]) or self._draw_noise(slot[1], region), pattern)
        )

    def draw_person(self) -> str:
        """Return the invented name of a person, in one of several orders."""
        first, last = self.draw_first_name(), self.draw_surname()
        shape = self.source.random()
        if shape < 0.6:
            return f"{first} {last}"
        if shape < 0.75:
            return f"{last} {first}"
        if shape < 0.9:
            return f"{first} {self.source.choice('abcdefghjklmnprstw')} {last}"
        return f"{first[0]} {last}"

    def draw_first_name(self) -> str:
        """Return a first name of the list."""
        return self.source.choice(tables.read_words("first_names.txt"))

    def draw_surname(self) -> str:
        """Return a surname of the list or, three times in ten, one put together from parts."""
        draw = self.source
        if draw.random() < 0.7:
            return draw.choice(tables.read_words("surnames.txt"))
        return draw.choice(SURNAME_HEADS) + draw.choice(SURNAME_TAILS)

    def draw_digits(self, count: int) -> str:
        """Return so many random digits."""
        return "".join(self.source.choices("0123456789", k=count))

    def _draw_noise(self, slot: str, region: str) -> str:
        """Return what stands around a name: a place, date, number or the holder."""
        if slot in {"city", "st"}:
            return self.source.choice(self._places[region])[slot == "st"]
        return self._fillers[slot]()

    def _draw_month_day(self) -> tuple[int, int]:
        return self.source.randint(1, 12), self.source.randint(1, 28)

    def _draw_day_month(self) -> str:
        month, day = self._draw_month_day()
        return f"{day:02}{MONTHS[month - 1]}"

    def _draw_phone(self) -> str:
        draw = self.source
        shape = draw.choice(("{}-{}-{}", "{}{}{}", "{}-{}{}", "({}){}-{}"))
        area = draw.choice(("800", "888", "877", "866", self.draw_digits(3)))
        return shape.format(area, self.draw_digits(3), self.draw_digits(4))

    def _draw_reference(self) -> str:
        shape = self.source.random()
        if shape < 0.7:
            return self.draw_digits(self.source.randint(5, 12))
        letters = "".join(self.source.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=9))
        return letters[: self.source.randint(5, 9)]

    def _draw_case(self, text: str) -> str:
        shape = self.source.random()
        if shape < 0.7:
            return text.upper()
        return text if shape < 0.85 else text.title()
