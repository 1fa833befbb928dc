"""Every setting of the project, read once from the environment (see docs/settings.md).

Without DATABASE_URL the embedded PostgreSQL of `manage.py up` is meant, without REDIS_URL its Valkey.
Nothing is started from here: the database backend reads the port file at the moment it connects.
"""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from taskqueue_project.environment import choice, database_from_url, positive_int

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("TASKQUEUE_VAR", default=str(BASE_DIR / "var"))).resolve()
DEBUG = env.bool("DEBUG", default=False)
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")


def secret_key() -> str:
    """SECRET_KEY; for the embedded default the key that `manage.py up` keeps, or one for this process."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        return given
    if DATABASE_URL:
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL is set.")
    kept = VAR_DIR / "secret_key"
    return kept.read_text().strip() if kept.exists() else get_random_secret_key()


SECRET_KEY = secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "taskqueue_project",
    "analytics_app",
    "workers_app",  # before channels, which has a runworker command of its own
    "tasks_app",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_prometheus",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "examples",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "taskqueue_project.urls"
ASGI_APPLICATION = "taskqueue_project.asgi.application"
WSGI_APPLICATION = "taskqueue_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database_from_url(DATABASE_URL)
    # A pooler in transaction mode: no server-side cursors, no prepared statements, and workers hold no lock.
    | {"DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_POOLED", default=False)}
    if DATABASE_URL
    else {"ENGINE": "taskqueue_project.embedded.database", "NAME": "taskqueue"}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The queue.

TASKS = {
    "default": {
        "BACKEND": "tasks_app.backend.TaskQueueBackend",
        "QUEUES": ["default", *env.list("TASKQUEUE_QUEUES", default=["mail", "reports"])],
    }
}
TASKQUEUE = {
    "WAKEUP": choice(env, "TASKQUEUE_WAKEUP", ["notify", "poll"], default="notify"),
    "MAX_ATTEMPTS": positive_int(env, "TASKQUEUE_MAX_ATTEMPTS", default=3),
    "LEASE": positive_int(env, "TASKQUEUE_LEASE", default=30),
}

# Redis is a cache only: with it down, reads miss and writes are dropped, and everything else goes on.

if REDIS_URL:
    REDIS_LOCATION = REDIS_URL
else:
    _port_file = VAR_DIR / "valkey" / "url"
    REDIS_LOCATION = _port_file.read_text().strip() if _port_file.exists() else ""

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_LOCATION,
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
    if REDIS_LOCATION
    else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# Web.

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
LOGIN_URL = "/console/login/"
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Served over HTTPS unless told otherwise: the embedded default is loopback without TLS.

HTTPS = env.bool("HTTPS", default=bool(DATABASE_URL))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Not no-referrer: with that, browsers send `Origin: null` with forms, which the CSRF check refuses.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{process}] {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"level": env.str("LOG_LEVEL", default="INFO")}
        for name in ("tasks_app", "workers_app", "analytics_app", "taskqueue_project")
    }
    # Its receivers log every failed task with a traceback; the worker logs a line, the console has the rest.
    | {name: {"level": "CRITICAL"} for name in ("django_tasks", "django.tasks")},
}
