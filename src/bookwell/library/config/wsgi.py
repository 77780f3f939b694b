"""The WSGI application that the server loads."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from bookwell.library.network.public_holidays import is_known_country

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookwell.library.config.settings")

application = get_wsgi_application()

# All views are loaded with it: no request waits for them, and the server knows what stays.
_ = get_resolver().url_patterns

# The holidays take a second to load; the first deadline must not wait for them with a book locked.
is_known_country("PL")
