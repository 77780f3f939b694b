"""Django's settings, made from `LibrarySettings`."""

import datetime as dt
from pathlib import Path

from bookwell.kit import clock
from bookwell.library.config.databases import cache_settings, database_settings, log_database_settings
from bookwell.library.config.environment import LibrarySettings

ENV = LibrarySettings.load()
clock.set_offset(ENV.clock_offset)

KEYS_DIR = ENV.data_dir.absolute() / "keys"
SECRET_KEY = ENV.shared_secret()
DEBUG = False
ALLOWED_HOSTS = ENV.library_hosts.split(",")
ROOT_URLCONF = "bookwell.library.config.urls"
WSGI_APPLICATION = "bookwell.library.config.wsgi.application"
APPEND_SLASH = False
DATABASES = {"default": database_settings(ENV.database_url)}
LOG_DATABASE = "logs" if ENV.log_database not in {"", ENV.database_url} else "default"
if LOG_DATABASE != "default":
    DATABASES[LOG_DATABASE] = log_database_settings(ENV.log_database)
CACHES = {
    "default": cache_settings(
        redis_url=ENV.redis_url, embedded_file=ENV.data_dir / "cache.sqlite3" if ENV.mode == "embedded" else None
    )
}
AUTH_USER_MODEL = "accounts.User"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "bookwell.library.config.formats"
IDEMPOTENCY_HOURS = ENV.idempotency_hours
OUTBOX_RETENTION = dt.timedelta(days=ENV.outbox_days)

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
    "bookwell.library.partners.apps.PartnersConfig",
    "bookwell.library.circulation.apps.CirculationConfig",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
]
MIDDLEWARE = [
    "bookwell.kit.adapters.django.http.edge.EdgeMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bookwell.kit.adapters.django.http.pages.PageSessions",
    "bookwell.kit.adapters.django.http.pages.PageCsrf",
    "bookwell.kit.adapters.django.http.pages.PageUsers",
    "bookwell.kit.adapters.django.http.pages.PageMessages",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent.parent / "web" / "templates"],
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
RATE_LIMIT_EXEMPT_SERVICES = ("partners",)  # it asks for many, and counts them itself
RATE_LIMIT_LOOPBACK = ENV.mode == "production"
TRUSTED_PROXIES = ENV.trusted_proxies
DATA_UPLOAD_MAX_MEMORY_SIZE = ENV.max_body_bytes
HTTP_CANONICAL_PATH = "bookwell.library.api.legacy_paths.canonical_path"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.trusted_proxies else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.public_url.startswith("https:")
LOGGING_CONFIG = "bookwell.kit.logs.configure"
LOGGING = ENV.logging_options("library", writer="bookwell.kit.adapters.sqlalchemy.log_table.LogTable")
LOG_RETENTION = dt.timedelta(days=ENV.log_days)

SESSION_ENGINE = "django.contrib.sessions.backends.cache" if ENV.redis_url else "bookwell.kit.adapters.django.sessions"

NOTIFIER_URL = ENV.deliveries_url
PARTNERS_URL = ENV.gateway_url
PARTNERS_BUDGET_SECONDS = ENV.partners_budget_ms / 1000
PARTNERS_HOLD_SECONDS = ENV.partners_hold_ms / 1000

PUBLIC_URL = ENV.public_url
TOKEN_ISSUER = ENV.library_token_issuer
TOKEN_AUDIENCE = ENV.token_audience
OUTSIDE_ISSUERS = [issuer for issuer in ENV.named_issuers if issuer.issuer != TOKEN_ISSUER]
ACCESS_TOKEN_LIFETIME = dt.timedelta(seconds=ENV.access_token_seconds)
REFRESH_TOKEN_LIFETIME = dt.timedelta(days=ENV.refresh_token_days)
SIGNING_KEYS = ENV.signing_keys.get_secret_value()

AUTHENTICATION_BACKENDS = ["bookwell.library.accounts.password_login.PasswordBackend"]
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # usernames are unique in their folded form
    "models.W036",  # allauth's constraint that MySQL lacks; account.confirmed_email stands in for it
]
PASSWORD_HASHERS = ["bookwell.library.accounts.hashers.Argon2idHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_FAILURES_PER_ACCOUNT = ENV.login_failures_per_account
LOGIN_FAILURES_PER_ADDRESS = ENV.login_failures_per_address

HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "bookwell.library.accounts.headless.TokenSessionStrategy"  # noqa: S105 -- a class
UNSUBSCRIBE_URL = f"{ENV.public_url}/messages/unsubscribe/{{token}}/"
PASSWORD_RESET_URL = f"{ENV.public_url}/accounts/reset-password/?token={{token}}"
PASSWORD_RESET_TIMEOUT = 3600
HEADLESS_FRONTEND_URLS = {"account_confirm_email": f"{ENV.public_url}/accounts/confirm-email/{{key}}/"}
ACCOUNT_ADAPTER = "bookwell.library.accounts.headless.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"  # an unconfirmed reader may log in and reserve
ACCOUNT_PREVENT_ENUMERATION = "strict"  # a known address signs up like an unknown one; its mailbox is told
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
# Failed log-ins are counted by PasswordBackend, everything else by the API's own limits.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None, "signup": None, "confirm_email": "20/h/key"}
