"""Django's settings, made from `LibrarySettings`."""

from bookwell.library.config.databases import database_settings
from bookwell.library.config.environment import LibrarySettings

ENV = LibrarySettings.load()

SECRET_KEY = ENV.secret_key.get_secret_value() or "embedded-only-and-replaced-by-the-data-folder"
DEBUG = False
ALLOWED_HOSTS = ENV.library_hosts.split(",")
ROOT_URLCONF = "bookwell.library.config.urls"
WSGI_APPLICATION = "bookwell.library.config.wsgi.application"
APPEND_SLASH = False
DATABASES = {"default": database_settings(ENV.database_url)}
AUTH_USER_MODEL = "accounts.User"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
IDEMPOTENCY_HOURS = ENV.idempotency_hours

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "bookwell.library.plumbing.apps.PlumbingConfig",
    "bookwell.library.audit.apps.AuditConfig",
    "bookwell.library.network.apps.NetworkConfig",
    "bookwell.library.accounts.apps.AccountsConfig",
    "bookwell.library.catalog.apps.CatalogConfig",
    "bookwell.library.circulation.apps.CirculationConfig",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
