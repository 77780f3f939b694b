"""`python -m bookwell.tables.postman [FOLDER]` writes the Postman collection and its environment into `postman/`."""

import sys
from pathlib import Path

from bookwell.tables.app import create_app
from bookwell.tables.postman.collection import postman_files
from bookwell.tables.settings import TablesSettings

_FOLDER = "postman"


def _main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else _FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in postman_files(create_app(TablesSettings()).openapi()).items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    _main()
