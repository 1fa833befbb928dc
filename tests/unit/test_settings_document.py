from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from tasks_app.conf import Settings

DOCUMENT = Path("docs/settings.md").read_text()


def table(heading: str) -> dict[str, str]:
    """First column → second, of the table under a heading."""
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def test_the_document_lists_every_key_of_taskqueue_with_its_default():
    written = table("`TASKQUEUE`")
    real = {field.name: f"`{field.default!r}`".replace("'", '"') for field in fields(Settings)}

    assert written == real


def test_the_document_lists_every_environment_variable_that_is_read():
    source = Path("taskqueue_project/settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', source))
    read |= set(re.findall(r'\(env, "(\w+)"', source))

    assert set(table("Environment of this project")) == read
