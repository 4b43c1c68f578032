from django.apps import AppConfig


class RoomsConfig(AppConfig):
    name = "rooms"

    def ready(self) -> None:
        from rooms.admission import revoke_tickets  # noqa: PLC0415 -- app-ready: models must stand first
        from ticketing import aftersales  # noqa: PLC0415 -- app-ready: the same

        if revoke_tickets not in aftersales.on_ticket_death:
            aftersales.on_ticket_death.append(revoke_tickets)
