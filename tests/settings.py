"""Settings of the tests: the project's own, without HTTPS and with fast passwords. `tests.cluster` sets DATABASE_URL."""

from __future__ import annotations

from taskqueue_project.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HTTPS = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = False
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_HSTS_SECONDS = 0

INSTALLED_APPS = [*INSTALLED_APPS, "tests.sample.apps.SampleConfig"]  # noqa: F405
