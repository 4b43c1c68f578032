from rooms.models.delivery import DeliveryFact
from rooms.models.room import Ban, Room
from rooms.models.seat import Grant, Seat

__all__ = ["Ban", "DeliveryFact", "Grant", "Room", "Seat"]
