"""Names are invented here: merchants as they are printed, and names around generic words."""

import random

from models.corpus import tables
from models.corpus.wordings import Wordings

CARD_NAME_LENGTH = 22
"""Card networks cut a merchant's name at this length."""
EMPLOYERS = (
    "technologies", "solutions", "systems", "logistics", "health", "healthcare", "hospital",
    "medical center", "schools", "school district", "isd", "university", "college", "county",
    "industries", "manufacturing", "staffing", "consulting", "partners", "holdings", "group",
    "services", "construction", "builders", "foods", "restaurants", "software", "labs", "energy",
    "electric", "engineering", "enterprises", "international", "global", "usa", "of america",
    "retail", "stores", "transport", "trucking", "security", "home care", "pharma", "bio",
    "associates", "capital", "media", "design", "hotels", "motors", "aerospace", "financial",
)  # fmt: skip
LEGAL_FORMS = ("inc", "llc", "corp", "co", "ltd", "", "", "")


class Names:
    """Names are drawn from a seeded source."""

    def __init__(self, source: random.Random, wordings: Wordings) -> None:
        self.source = source
        self.wordings = wordings

    def print_name(self, name: str) -> str:
        """Return a known name as networks print it: whole, cut, glued or with an addition."""
        shape = self.source.random()
        if shape < 0.74:
            return name
        if shape < 0.82:
            return name[:CARD_NAME_LENGTH].strip()
        if shape < 0.9:
            return name.replace(" ", "")
        if shape < 0.93:
            return f"the {name}"
        return f"{name} {self.source.choice(('inc', 'llc', 'co', 'usa', 'online', 'ltd', 'store'))}"

    def dress_word(self, word: str) -> str:
        """Return a merchant invented around a generic word."""
        draw = self.source
        owner, thing = self.wordings.draw_surname(), self._draw_thing()
        name = draw.choice((
            f"{owner}s {word}",
            f"{owner} {word}",
            f"{self.wordings.draw_first_name()}s {word}",
            f"{thing} {word}",
            f"{thing} {word}",
            f"{thing} {self._draw_thing()} {word}",
            f"the {thing} {word}",
            f"{word} {thing}",
            f"{word} {owner}",
            f"{self._draw_initials()} {word}",
            f"{thing} {word} {draw.choice(LEGAL_FORMS)}",
            f"{thing}{word}",
            word,
        ))  # fmt: skip
        return self._cut_name(name.strip())

    def draw_unknown(self) -> str:
        """Return a merchant whose name says nothing about its trade."""
        draw = self.source
        owner, thing = self.wordings.draw_surname(), self._draw_thing()
        name = draw.choice((
            thing,
            f"{thing} {self._draw_thing()}",
            f"the {thing} {self._draw_thing()}",
            f"the {thing}",
            f"{owner}s",
            f"{self.wordings.draw_first_name()}s",
            f"{owner} and {self.wordings.draw_surname()}",
            f"{thing} and {self._draw_thing()}",
            f"{owner} {draw.choice(LEGAL_FORMS)}",
            f"{thing} {draw.choice(LEGAL_FORMS)}",
            f"{self._draw_initials()} {owner}",
            self._draw_syllables(),
            self._draw_syllables(),
            f"{self._draw_syllables()} {self._draw_syllables()}",
            f"{self._draw_syllables()} {thing}",
            f"{self.wordings.draw_digits(2)} {thing}",
        ))  # fmt: skip
        return self._cut_name(name.strip())

    def draw_employer(self) -> str:
        """Return the invented name of an employer."""
        draw = self.source
        head = draw.choice(
            (
                self._draw_thing(),
                self.wordings.draw_surname(),
                self._draw_syllables(),
                self._draw_initials(),
            )
        )
        return f"{head} {draw.choice(EMPLOYERS)} {draw.choice(LEGAL_FORMS)}".strip()

    def _cut_name(self, name: str) -> str:
        return name[:CARD_NAME_LENGTH].strip() if self.source.random() < 0.5 else name

    def _draw_thing(self) -> str:
        return self.source.choice(tables.read_words("name_words.txt"))

    def _draw_initials(self) -> str:
        return "".join(self.source.choices("abcdefghjklmnprstvw", k=self.source.randint(2, 3)))

    def _draw_syllables(self) -> str:
        """Return an invented word of two or three open syllables."""
        draw = self.source
        heads, vowels, tails = (
            [
                "b",
                "c",
                "d",
                "f",
                "g",
                "h",
                "j",
                "k",
                "l",
                "m",
                "n",
                "p",
                "r",
                "s",
                "t",
                "v",
                "z",
                "ch",
                "sh",
                "br",
                "tr",
            ],
            "aeiou",
            "nrlsxm",
        )
        body = "".join(draw.choice(heads) + draw.choice(vowels) for _ in range(draw.randint(2, 3)))
        return body + (draw.choice(tails) if draw.random() < 0.4 else "")
