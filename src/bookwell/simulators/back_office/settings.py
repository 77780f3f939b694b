"""Where the simulated back office sends decisions, and by which secrets the two sides know each other."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bookwell.kit.setting_files import SettingFiles
from bookwell.kit.webhooks import WebhookSecret

__all__ = ["BackOfficeSettings"]


class BackOfficeSettings(BaseSettings):
    """`BOOKWELL_BACKOFFICE_*`; each secret as a text, or in a file that `…_FILE` names."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_BACKOFFICE_", frozen=True, extra="ignore")

    tables_url: str = Field(default="http://127.0.0.1:9000", description="Where the tables service listens")
    webhook_secrets: SecretStr = Field(default=SecretStr(""), description="What signs the events that come in")
    file: Path | None = Field(default=None, description="Where it keeps its orders; empty: in memory alone")
    decision_secret: SecretStr = Field(default=SecretStr(""), description="What signs the decisions that go out")

    def of_events(self) -> tuple[WebhookSecret, ...]:
        """Secrets of the events, several while one replaces another; without any no event is believed.

        Raises:
            ValueError: for what is no secret.
        """
        return _secrets(self.webhook_secrets)

    def of_decisions(self) -> tuple[WebhookSecret, ...]:
        """The secret of the decisions.

        Raises:
            ValueError: for what is no secret.
        """
        return _secrets(self.decision_secret)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then files that it names."""
        return sources["init_settings"], sources["env_settings"], SettingFiles(settings_cls)


def _secrets(text: SecretStr) -> tuple[WebhookSecret, ...]:
    return tuple(WebhookSecret.parse(each) for each in text.get_secret_value().replace(",", " ").split())
