"""The file of an embedded database is the same for Django as for everybody else, whatever the folder is called."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bookwell.library.config.databases import database_settings
from bookwell.library.config.environment import LibrarySettings


@pytest.mark.parametrize("name", ["plain", "C#", "why?", "50%", "a%20b", "two words", "żółw", "a@b:c"])
def test_embedded_database__in_a_folder_of_any_name__is_one_file_for_all(name: str) -> None:
    url = LibrarySettings(data_dir=Path("/srv") / name).database_url

    assert database_settings(url)["NAME"] == make_url(url).database == f"/srv/{name}/library.sqlite3"
