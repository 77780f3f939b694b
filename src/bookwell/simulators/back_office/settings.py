"""Where the simulated back office sends decisions, and by which secrets the two sides know each other."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from bookwell.kit.webhooks import WebhookSecret

__all__ = ["BackOfficeSettings"]


class BackOfficeSettings(BaseSettings):
    """`BOOKWELL_BACKOFFICE_*`; each secret as a text, or as a file that holds it."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_BACKOFFICE_", frozen=True, extra="ignore")

    tables_url: str = Field(default="http://127.0.0.1:9000", description="Where the tables service listens")
    webhook_secrets: SecretStr = Field(default=SecretStr(""), description="What signs the events that come in")
    webhook_secrets_file: Path | None = None
    decision_secret: SecretStr = Field(default=SecretStr(""), description="What signs the decisions that go out")
    decision_secret_file: Path | None = None

    def of_events(self) -> tuple[WebhookSecret, ...]:
        """Secrets of the events, several while one replaces another; without any no event is believed.

        Raises:
            ValueError, OSError: for what is no secret, or a file that cannot be read.
        """
        return _secrets(self.webhook_secrets, self.webhook_secrets_file)

    def of_decisions(self) -> tuple[WebhookSecret, ...]:
        """The secret of the decisions.

        Raises:
            ValueError, OSError: for what is no secret, or a file that cannot be read.
        """
        return _secrets(self.decision_secret, self.decision_secret_file)


def _secrets(text: SecretStr, file: Path | None) -> tuple[WebhookSecret, ...]:
    words = text.get_secret_value() if file is None else file.read_text(encoding="ascii")
    return tuple(WebhookSecret.parse(each) for each in words.replace(",", " ").split())
