"""Every address of the library."""

from django.contrib import admin
from django.urls import path

from bookwell.library.api.app import api

urlpatterns = [path("admin/", admin.site.urls), path("api/", api.urls)]
