"""Stripe tells more about people than we need: what names them is not kept."""

from typing import Any, Final

# Of an event only its kind and the object's id are read; the object itself is asked for anew.
NAMES_PEOPLE: Final = frozenset(
    {
        "address",
        "billing_details",
        "business_profile",
        "collected_information",
        "company",
        "custom_fields",
        "customer_address",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "email",
        "external_accounts",
        "individual",
        "owner",
        "person",
        "phone",
        "receipt_email",
        "receipt_url",
        "shipping",
        "shipping_address",
        "shipping_details",
        "hosted_invoice_url",
        "invoice_pdf",
        "url",
    }
)


def without_people(value: Any) -> Any:
    """Return the same JSON without the fields that name people or lead to where they are named."""
    if isinstance(value, dict):
        return {name: without_people(inner) for name, inner in value.items() if name not in NAMES_PEOPLE}
    if isinstance(value, list):
        return [without_people(inner) for inner in value]
    return value
