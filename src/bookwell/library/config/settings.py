"""Django's settings, made from `LibrarySettings`."""

from bookwell.library.config.databases import cache_settings, database_settings
from bookwell.library.config.environment import LibrarySettings

ENV = LibrarySettings.load()

SECRET_KEY = ENV.secret_key.get_secret_value() or "embedded-only-and-replaced-by-the-data-folder"
DEBUG = False
ALLOWED_HOSTS = ENV.library_hosts.split(",")
ROOT_URLCONF = "bookwell.library.config.urls"
WSGI_APPLICATION = "bookwell.library.config.wsgi.application"
APPEND_SLASH = False
DATABASES = {"default": database_settings(ENV.database_url)}
CACHES = {
    "default": cache_settings(
        redis_url=ENV.redis_url, embedded_file=ENV.data_dir / "cache.sqlite3" if ENV.mode == "embedded" else None
    )
}
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
    "ninja",  # Swagger UI's files, so that nothing is loaded from elsewhere
    "bookwell.library.plumbing.apps.PlumbingConfig",
    "bookwell.library.audit.apps.AuditConfig",
    "bookwell.library.network.apps.NetworkConfig",
    "bookwell.library.accounts.apps.AccountsConfig",
    "bookwell.library.catalog.apps.CatalogConfig",
    "bookwell.library.circulation.apps.CirculationConfig",
]
MIDDLEWARE = [
    "bookwell.kit.adapters.django.http.edge.EdgeMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bookwell.kit.adapters.django.http.pages.PageSessions",
    "bookwell.kit.adapters.django.http.pages.PageCsrf",
    "bookwell.kit.adapters.django.http.pages.PageUsers",
    "bookwell.kit.adapters.django.http.pages.PageMessages",
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
WHITENOISE_USE_FINDERS = True

REDIS_URL = ENV.redis_url
RATE_LIMIT_PER_MINUTE = ENV.rate_limit_per_minute
RATE_LIMIT_LOOPBACK = ENV.mode == "production"
TRUSTED_PROXIES = ENV.trusted_proxies
DATA_UPLOAD_MAX_MEMORY_SIZE = ENV.max_body_bytes
HTTP_CANONICAL_PATH = "bookwell.library.api.legacy_paths.canonical_path"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.trusted_proxies else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.public_url.startswith("https:")
LOGGING_CONFIG = "bookwell.kit.logs.configure"
LOGGING = {"level": ENV.log_level, "service": "library"}
