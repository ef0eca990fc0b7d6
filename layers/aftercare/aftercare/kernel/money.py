"""Money as integer minor units of one currency. No float comes near it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from aftercare.kernel.errors import DomainError

DEFAULT_EXPONENT = 2
# ISO 4217 (list one, 2026-01): the active currencies whose minor unit is not a hundredth.
EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}  # fmt: skip


class CurrencyMismatch(DomainError):
    """Two amounts of different currencies were put together."""


class Money(BaseModel):
    """An amount in minor units (fen, cents) of an ISO 4217 currency; may be negative as a difference."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    minor: Annotated[int, Field(strict=True)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(minor=0, currency=currency)

    def __add__(self, other: Money) -> Money:
        return Money(minor=self.minor + self._minor_of(other), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(minor=self.minor - self._minor_of(other), currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._minor_of(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._minor_of(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._minor_of(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._minor_of(other)

    def percent(self, percent: int) -> Money:
        """That many hundredths of the amount, rounded down to a whole minor unit."""
        return Money(minor=self.minor * percent // 100, currency=self.currency)

    def split(self, weights: tuple[int, ...]) -> tuple[Money, ...]:
        """Parts in proportion to ``weights`` that sum to the whole; what rounding leaves goes to the first parts."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise DomainError(f"weights must be non-negative and not all zero: {weights}")
        parts = [self.minor * weight // total for weight in weights]
        for index in range(self.minor - sum(parts)):
            parts[index] += 1
        return tuple(Money(minor=part, currency=self.currency) for part in parts)

    def decimal_text(self) -> str:
        """The amount as decimal text in major units: ``12.30`` CNY, ``500`` JPY."""
        exponent = EXPONENTS.get(self.currency, DEFAULT_EXPONENT)
        sign = "-" if self.minor < 0 else ""
        digits = str(abs(self.minor)).rjust(exponent + 1, "0")
        if exponent == 0:
            return sign + digits
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    def __str__(self) -> str:
        return f"{self.decimal_text()} {self.currency}"

    def _minor_of(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self} and {other} are of different currencies")
        return other.minor


def _require_not_negative(money: Money) -> Money:
    if money.minor < 0:
        raise ValueError("an amount of money here cannot be negative")
    return money


NonNegativeMoney = Annotated[Money, AfterValidator(_require_not_negative)]
