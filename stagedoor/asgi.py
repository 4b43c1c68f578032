import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stagedoor.settings")
os.environ["STAGEDOOR_PROCESS"] = "web"  # read by the settings: only the web has many threads at its database
django_application = get_asgi_application()
del os.environ["STAGEDOOR_PROCESS"]  # whatever is started from here is none

from channels.auth import AuthMiddlewareStack  # noqa: E402 -- app-ready: needs the settings above
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 -- the same
from django.conf import settings  # noqa: E402 -- the same
from django.urls import re_path  # noqa: E402 -- the same

from rooms.urls import websocket_urlpatterns  # noqa: E402 -- the same
from stagedoor.sockets import SocketDoor, nowhere  # noqa: E402 -- the same
from stagedoor.turnstile import Turnstile  # noqa: E402 -- the same

sockets = URLRouter([*websocket_urlpatterns, re_path(r"", nowhere)])  # type: ignore[arg-type]  # Django types views alone, channels routes any ASGI
application = ProtocolTypeRouter(
    {
        "http": Turnstile(django_application, most=settings.WEB_THREADS),
        "websocket": SocketDoor(
            AuthMiddlewareStack(sockets),
            most=settings.MOST_SOCKETS,
            most_per_address=settings.MOST_SOCKETS_PER_ADDRESS,
        ),
    }
)
