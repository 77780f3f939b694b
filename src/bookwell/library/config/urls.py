"""Every address of the library."""

from django.contrib import admin
from django.urls import include, path

from bookwell.library.api import daia, health, oauth, well_known
from bookwell.library.api.app import api
from bookwell.library.web import confirm_email, deliveries, forgot_password, reset_password, unsubscribe

admin.site.site_header = admin.site.site_title = "Bookwell"
admin.site.site_url = None  # there are no pages for readers at `/`

urlpatterns = [
    path("admin/", include(deliveries)),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path(".well-known/", include(well_known)),
    path("identity/", include(oauth)),
    path("", include(daia)),
    path("accounts/", include(confirm_email)),
    path("accounts/", include(forgot_password)),
    path("accounts/", include(reset_password)),
    path("messages/", include(unsubscribe)),
    path("", include(health)),
]

handler500 = "bookwell.kit.adapters.django.http.problems.server_error"
