"""The least and the most of what is typed about events and tickets, in forms and in the database."""

from datetime import timedelta

LONGEST = 12 * 60  # minutes an event may last
FARTHEST = timedelta(days=2 * 365)
MOST_SEATS = 1_000_000
MOST_TYPES = 12
MOST_PER_PERSON = 50
MOST_IN_A_BASKET = 50  # over all ticket types: an order is paid, written of in a letter and refunded as one

# How often and how long seats of one event may be held without paying, so that nobody keeps them from others.
MOST_HELD = 12  # times an hour
LONGEST_HELD = timedelta(minutes=40)  # of a day, over all of them
MOST_HELD_OF_A_NETWORK = 60  # times an hour, by everybody who comes from there
NETWORKS_KEPT = timedelta(days=1)
