import pytest

from ticketing.models import Event, TicketType


@pytest.fixture
def seat(event: Event) -> TicketType:
    """Return the paid ticket type: 50 seats at 12 euros, six per person."""
    return event.ticket_types.get(name="Seat")


@pytest.fixture
def standing(event: Event) -> TicketType:
    """Return the free ticket type, without a limit."""
    return event.ticket_types.get(name="Standing")
