"""ASGI entry: HTTP, and the live console's socket."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from analytics_app.routing import with_live_console

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskqueue_project.settings")
application = with_live_console(get_asgi_application())
