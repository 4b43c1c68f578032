"""The form field of an amount, and the same limits for the database."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import figures
from payments.money import LARGEST_CHARGE, SMALLEST_CHARGE, Money, NotAnAmount


class AmountField(forms.CharField):
    """An amount in one currency, from `least` to `most` minor units. With `free`, empty and 0 are nothing."""

    default_error_messages = {
        "least": gettext_lazy("A card payment starts at %(limit)s."),
        "least_or_free": gettext_lazy("Cards can be charged %(limit)s or more. Free is fine."),
        "most": gettext_lazy("%(limit)s at most."),
    }

    def __init__(
        self,
        *,
        currency: str,
        least: int | None = None,
        most: int | None = None,
        free: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(required=not free, max_length=figures.LONGEST, **kwargs)
        self.free = free
        self.least = Money(SMALLEST_CHARGE[currency] if least is None else least, currency)
        self.most = Money(LARGEST_CHARGE[currency] if most is None else most, currency)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Money):
            return "" if self.free and not value else value.as_typed
        return value

    def clean(self, value: Any) -> Money:
        text = super().clean(value)
        currency = self.least.currency
        try:
            amount = Money.parse(text, currency) if text else Money.zero(currency)
        except NotAnAmount as refusal:
            words = _("%(refusal)s Leave it empty for free.") if self.free else "%(refusal)s"
            raise ValidationError(words, code="invalid", params={"refusal": str(refusal)}) from None
        if self.free and not amount:
            return amount
        if amount < self.least:
            code = "least_or_free" if self.free else "least"
            raise ValidationError(self.error_messages[code], code=code, params={"limit": self.least.shown})
        if amount > self.most:
            raise ValidationError(self.error_messages["most"], code="most", params={"limit": self.most.shown})
        return amount

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


def within(
    *, column: str, least: Mapping[str, int], most: Mapping[str, int], currency: str = "currency"
) -> Q:
    """Return the condition that an amount lies between the least and the most of its currency."""
    condition = Q()
    for code in sorted(most):
        condition |= Q(**{currency: code, f"{column}__gte": least[code], f"{column}__lte": most[code]})
    return condition
