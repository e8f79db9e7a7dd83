"""Limits, currencies, reasons and amounts of transactions.

The API checks with them, the store writes them, and the reads render them.
"""

from __future__ import annotations

import re
from typing import Final

MAX_ITEMS: Final = 10_000  # transactions and removals in one request
MAX_BODY: Final = 16 * 1024 * 1024  # bytes, decoded
MAX_ID: Final = 128  # characters
MAX_DESCRIPTION: Final = 1_024  # characters
MAX_AMOUNT: Final = 10**15  # minor units, exclusive; sums of any feed fit into a bigint

REASONS: Final = (
    "added",
    "provider_update",
    "pending_posted",
    "user_correction",
    "merchant_memory",
    "model_upgrade",
    "restored",
    "removed",
)

# ISO 4217, active codes, by number of decimals.
_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP
        BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP
        GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
        LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK
        NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
        STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER
        ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
CURRENCIES: Final = {code: n for n, codes in _DECIMALS.items() for code in codes.split()}

_AMOUNT: Final = re.compile(r"(-?)(0|[1-9]\d{0,14})(?:\.(\d{1,4}))?", re.ASCII)


def parse_amount(text: str, currency: str) -> int:
    """Convert the decimal `text` to minor units of `currency` (a code of CURRENCIES), exactly.

    Raises ValueError for a text that is no plain decimal, such as NaN or one with an exponent. The
    same holds for more decimals than the currency has, and for an amount that is too large.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("not a plain decimal number of at most 15 digits")
    sign, whole, fraction = match.groups(default="")
    decimals = CURRENCIES[currency]
    if len(fraction) > decimals:
        raise ValueError(f"{currency} has {decimals} decimals")
    amount = int(whole + fraction.ljust(decimals, "0"))
    if amount >= MAX_AMOUNT:
        raise ValueError("too large")
    return -amount if sign else amount


def format_amount(amount: int, currency: str) -> str:
    """Minor units as the decimal string of the wire: `-450, "USD"` is `-4.50`."""
    decimals = CURRENCIES.get(currency, 2)
    if decimals == 0:
        return str(amount)
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    return f"{'-' if amount < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
