"""WSGI entry, for servers without websockets: everything but the live console works."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskqueue_project.settings")
application = get_wsgi_application()
