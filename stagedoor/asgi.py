import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stagedoor.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 -- app-ready: needs the settings above
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 -- the same
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402 -- the same

from rooms.urls import websocket_urlpatterns  # noqa: E402 -- the same

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
