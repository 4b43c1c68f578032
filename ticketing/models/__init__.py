from ticketing.models.event import Event, TicketType
from ticketing.models.order import Order, Ticket

__all__ = ["Event", "Order", "Ticket", "TicketType"]
