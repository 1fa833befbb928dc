"""Where the embedded PostgreSQL listens: the port file that `up` writes and every other command reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from taskqueue_project.embedded.errors import EmbeddedServerError
from taskqueue_project.embedded.files import write_private


def port_file(var: Path) -> Path:
    return var / "postgres" / "server.json"


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    user: str
    password: str
    name: str

    @property
    def url(self) -> str:
        # The password is of token_urlsafe's alphabet: nothing to quote.
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.name}"

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Address:
        """The address in `path`. FileNotFoundError: the server is not running."""
        try:
            return cls(**json.loads(path.read_text()))
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{path} belongs to another account: run this command as the one that ran `up`."
            ) from error
        except (ValueError, TypeError) as error:
            raise EmbeddedServerError(
                f"{path} is damaged ({error}): restart `make run`, which writes it anew."
            ) from error
