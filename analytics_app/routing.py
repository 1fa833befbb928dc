"""The live console in any project's asgi.py: `application = with_live_console(get_asgi_application())`."""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path


def with_live_console(http: Any) -> ProtocolTypeRouter:
    """Call it after get_asgi_application(), which sets Django up."""
    from analytics_app.live.consumers import LiveConsumer

    sockets = URLRouter([path("ws/live", LiveConsumer.as_asgi())])
    return ProtocolTypeRouter(
        {
            "http": http,
            "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
        }
    )
