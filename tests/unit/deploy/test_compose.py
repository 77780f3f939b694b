"""compose.yaml, alone as the demo and with its overlay as production, against what the code knows."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from bookwell.cli.back_office import prepare_back_office
from bookwell.cli.composition import BackgroundSettings, check_settings
from bookwell.cli.doctor.site import read_site
from bookwell.cli.main import app
from bookwell.cli.preparing import database_urls
from bookwell.cli.service_settings import SERVICES, seconds_to_stop
from bookwell.cli.settings_reference import SETTINGS, variables
from bookwell.kit.adapters.celery import make_app
from bookwell.partners.configuration import read_configuration
from bookwell.partners.simulated import simulated_partners
from bookwell.simulators.back_office import BackOfficeSettings
from tests.composition import DEMO, PRODUCTION, ROOT, Composition, VariableMissing, images
from tests.infrastructure.kinds import KINDS

CHOSEN = {
    "BOOKWELL_LIBRARY_URL": "https://library.example.org",
    "BOOKWELL_TABLES_URL": "https://tables.example.org",
    "BOOKWELL_SMTP_URL": "smtp+starttls://me:chosen-by-us@mail.example.org",
    "BOOKWELL_MAIL_FROM": "City Library <library@example.org>",
    "MYSQL_PASSWORD": "of-mysql",
    "LOGS_PASSWORD": "of-logs",
    "POSTGRES_PASSWORD": "of-postgres",
    "TABLES_PASSWORD": "of-tables",
    "NOTIFIER_PASSWORD": "of-notifier",
    "REDIS_PASSWORD": "of-redis",
    "RABBITMQ_PASSWORD": "of-rabbitmq",
}
"""What a .env of production has to hold."""
WAYS: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {"demo": (DEMO, {}), "production": (PRODUCTION, CHOSEN)}
OUTBOXES = {
    "relay": {"library", "tables"},
    "worker-library": {"library"},
    "worker-tables": {"tables"},
    "worker-notifier": {"library", "tables"},
}
"""Whose messages each brings out, or gives receipts for."""
STORES = ("mysql", "postgresql", "redis", "rabbitmq")
OURS = "deploy/docker/Dockerfile"
SECRETS = "/run/secrets"
DATA = "/var/lib/bookwell"
Enter = Callable[[str, str], None]


def read(way: str) -> Composition:
    files, chosen = WAYS[way]
    return Composition.read(files, chosen)


def target_of(service: Mapping[str, Any]) -> str:
    build = service.get("build", {})
    return str(build["target"]) if isinstance(build, dict) and build.get("dockerfile") == OURS else ""


def of_ours(way: str) -> list[str]:
    return [name for name, service in read(way).services.items() if target_of(service)]


def command_of(service: Mapping[str, Any]) -> list[str]:
    command = service.get("command", images()[target_of(service)].command)
    return shlex.split(command) if isinstance(command, str) else list(command)


def is_checked(service: Mapping[str, Any]) -> bool:
    if own := service.get("healthcheck"):
        return bool(own["test"] != ["NONE"])
    if service.get("build") == "deploy/python27":
        return bool(images(ROOT / "deploy/python27/Dockerfile")[""].health)
    return bool(target_of(service)) and bool(images()[target_of(service)].health)


def ends_by_itself(service: Mapping[str, Any]) -> bool:
    return service.get("restart") == "on-failure"


@pytest.fixture(scope="module")
def secret_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an operator puts into ./secrets."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name in ("library_keys", "tables_keys"):
        (folder / name).write_bytes(pem)
    (folder / "secret_key").write_text("chosen-by-hand-" * 4 + "\n")
    (folder / "decision_secrets").write_text("")
    (folder / "webhooks").write_text("")
    (folder / "partners").write_text(simulated_partners("https://partner.example.org").configuration)
    return folder


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret_files: Path) -> Enter:
    """Puts this process into the environment of a service's container."""

    def enter(way: str, name: str) -> None:
        composition = read(way)
        prepare_back_office(tmp_path, backoffice_url="http://simulators:8030/backoffice", tables_url="")
        image = images()[target_of(composition.services[name])]
        for variable, value in {**image.environment, **composition.environment(name)}.items():
            if variable.startswith("BOOKWELL_"):
                monkeypatch.setenv(variable, value.replace(SECRETS, str(secret_files)).replace(DATA, str(tmp_path)))

    for variable in [*variables(), *(f"{variable}_FILE" for variable in variables())]:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BOOKWELL_SIMULATORS_PASSWORD", "of-the-partners")
    return enter


@pytest.mark.parametrize("way", WAYS)
def test_compose__is_what_the_specification_says(way: str) -> None:
    schema = get_builtin_schema("vendor.compose-spec")

    for file in WAYS[way][0]:
        jsonschema.validate(yaml.safe_load((ROOT / file).read_text()), schema)
    jsonschema.validate(read(way).document, schema)


def test_compose__throw_away_servers_of_the_tests__follow_the_specification() -> None:
    document = yaml.safe_load((ROOT / "compose.test.yaml").read_text())

    jsonschema.validate(document, get_builtin_schema("vendor.compose-spec"))

    assert set(document["services"]) == set(KINDS)


@pytest.mark.parametrize("way", WAYS)
def test_variables__are_settings(way: str) -> None:
    known = {*variables(), *(f"{variable}_FILE" for variable in variables())}
    composition = read(way)

    given = {name for service in of_ours(way) for name in composition.environment(service)}
    given |= {name for image in images().values() for name in image.environment if name.startswith("BOOKWELL_")}

    assert given - known == set()


@pytest.mark.parametrize(("way", "service"), [(way, service) for way in WAYS for service in of_ours(way)])
def test_environment__is_enough_for_the_service(way: str, service: str, container: Enter) -> None:
    command = command_of(read(way).services[service])

    container(way, service)

    match command:
        case ["serve", "simulators", *_]:
            assert BackOfficeSettings().of_events()
            assert BackOfficeSettings().of_decisions()
        case ["serve", served, *_]:
            kind: Any = SETTINGS[served]
            settings = kind.load("server")
            assert settings.mode == {"demo": "embedded", "production": "production"}[way]
            assert settings.redis_url
            if served == "partners":
                default = simulated_partners(settings.simulators)
                environ = {"BOOKWELL_SIMULATORS_PASSWORD": "any"}
                assert read_configuration(settings.partners_config, environ=environ, default=default.configuration)
        case ["prepare", *_]:
            urls = database_urls(["library", "logs", "notifier", "tables"])
            assert [url.partition(":")[0] for url in urls.values()] == ["mysql", "mysql", "postgresql", "postgresql"]
            assert read_site().problems == {name: [] for name in SERVICES}
        case ["scheduler", *services]:
            assert set(services) == {"library", "tables", "--prepare"}
            assert BackgroundSettings.load().broker_url
        case ["relay" | "worker", *queues]:
            background = BackgroundSettings.load("worker")
            check_settings([queue for queue in queues if not queue.startswith("-")])
            assert background.broker_url
            assert set(background.outbox_urls) == OUTBOXES[service]
            assert background.heartbeat_file
        case _:
            pytest.fail(f"nobody knows {command}")


@pytest.mark.parametrize(("way", "service"), [(way, service) for way in WAYS for service in of_ours(way)])
def test_command__exists_with_its_options(way: str, service: str) -> None:
    command = command_of(read(way).services[service])

    told = CliRunner().invoke(app, [*command, "--help"])

    assert told.exit_code == 0, told.output


@pytest.mark.parametrize("way", WAYS)
def test_ports__are_those_of_the_settings(way: str) -> None:
    ports = {name: field.default for name, (field, _) in variables().items() if name.endswith("_PORT")}

    for name in of_ours(way):
        service = read(way).services[name]
        image = images()[target_of(service)]
        if image.exposed:
            usual = ports[f"BOOKWELL_{'MAIL' if name == 'notifier' else name.upper()}_PORT"]
            published = [str(each).split(":")[-2:] for each in service.get("ports", [])]
            assert image.exposed == [usual]
            assert image.health[-1] == str(usual)
            assert published in ([], [[str(usual)] * 2])
    assert {"library": 8013, "partners": 5013, "tables": 9000}.items() <= {
        name: int(str(service["ports"][0]).rpartition(":")[2])
        for name, service in read(way).services.items()
        if service.get("ports")
    }.items()


@pytest.mark.parametrize("way", WAYS)
def test_services__that_go_on_have_a_health_check(way: str) -> None:
    unchecked = [
        name
        for name, service in read(way).all_services.items()
        if not ends_by_itself(service) and not is_checked(service)
    ]

    assert unchecked == []


@pytest.mark.parametrize("way", WAYS)
def test_dependencies__can_be_fulfilled(way: str) -> None:
    composition = read(way)

    for name, service in composition.all_services.items():
        for awaited, how in service.get("depends_on", {}).items():
            target = composition.services.get(awaited)
            assert target is not None, f"{name} waits for {awaited}, which does not start"
            if how["condition"] == "service_completed_successfully":
                assert ends_by_itself(target), f"{name} waits for the end of {awaited}"
            else:
                assert (how["condition"], is_checked(target)) == ("service_healthy", True), f"{name}: {awaited}"


@pytest.mark.parametrize("way", WAYS)
def test_databases__are_reached_from_inside_alone(way: str) -> None:
    composition = read(way)

    assert composition.document["networks"]["inside"] == {"internal": True}
    for name in STORES:
        assert composition.services[name]["networks"] == ["inside"]
        assert not composition.services[name].get("ports")


@pytest.mark.parametrize("way", WAYS)
def test_containers_of_ours__write_nowhere_and_may_do_nothing(way: str) -> None:
    for name in of_ours(way):
        service = read(way).services[name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert images()[target_of(service)].user == "10001:10001", name


@pytest.mark.parametrize("way", WAYS)
def test_logs_of_containers__take_no_more_than_so_much_room(way: str) -> None:
    logging = {name: service.get("logging") for name, service in read(way).all_services.items()}

    assert {
        name for name, how in logging.items() if not how or set(how["options"]) != {"max-size", "max-file"}
    } == set()


@pytest.mark.parametrize("way", WAYS)
def test_images_of_ours__are_built_and_never_a_strangers(way: str) -> None:
    composition = read(way)

    assert [name for name in of_ours(way) if composition.services[name].get("pull_policy") != "never"] == []


@pytest.mark.parametrize("way", WAYS)
def test_door_for_python27__reaches_the_partners_service_and_is_reached(way: str) -> None:
    composition = read(way)
    door = composition.all_services["python27"]
    (port,) = images(ROOT / "deploy/python27/Dockerfile")[""].exposed

    assert door["environment"]["BOOKWELL_PARTNERS_URL"] == composition.environment("library")["BOOKWELL_PARTNERS_URL"]
    assert door["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert "outside" in door["networks"]  # from `inside` alone nothing is published


@pytest.mark.parametrize(("way", "service"), [(way, service) for way in WAYS for service in of_ours(way)])
def test_stopping__whoever_finishes_what_it_has_begun__is_not_killed(way: str, service: str, container: Enter) -> None:
    grace = read(way).services[service]["stop_grace_period"]

    container(way, service)

    match command_of(read(way).services[service]):
        case ["serve", "simulators", *_]:
            needed = 10.0
        case ["serve", served, *_]:
            needed = seconds_to_stop(served)
        case _:
            needed = make_app("redis://").conf.task_time_limit
    assert int(grace.removesuffix("s")) >= needed + 10


def test_stopping__a_server_of_a_production_with_the_longest_limits__is_not_killed() -> None:
    limits = [variables()[f"BOOKWELL_{name}_SECONDS"][0].metadata for name in ("DRAIN", "STOP")]
    longest = sum(max(getattr(each, "le", 0) for each in limit) for limit in limits)
    unit = re.search(r"TimeoutStopSec=(\d+)", (ROOT / "docs/operating.md").read_text())
    assert unit is not None

    graces = [read("production").services[name]["stop_grace_period"] for name in of_ours("production")]

    assert min(int(grace.removesuffix("s")) for grace in graces) >= longest + 20
    assert int(unit[1]) >= longest + 20


def test_publishing__is_for_this_machine_unless_somebody_says_otherwise() -> None:
    addresses = {
        str(port).partition(":")[0]
        for service in read("demo").all_services.values()
        for port in service.get("ports", [])
    }

    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("left_out", CHOSEN)
def test_production__something_is_not_chosen__names_it(left_out: str) -> None:
    chosen = {name: value for name, value in CHOSEN.items() if name != left_out}

    with pytest.raises(VariableMissing, match=left_out):
        Composition.read(PRODUCTION, chosen)
    with pytest.raises(VariableMissing, match=left_out):
        Composition.read(PRODUCTION, chosen | {left_out: ""})


def test_production__nothing_of_the_demo_is_left() -> None:
    composition = read("production")

    words = yaml.safe_dump(dict(composition.services))
    assert not {"simulators", "mailpit"} & composition.services.keys()
    for trace in ("simulators", "mailpit", "--demo", ":bookwell@", "PASSWORD: bookwell", "requirepass bookwell"):
        assert trace not in words, trace
    for name in of_ours("production"):
        assert composition.environment(name)["BOOKWELL_MODE"] == "production"


def test_production__every_secret_is_a_file_that_the_overlay_names() -> None:
    composition = read("production")
    named = set(composition.document["secrets"])

    for name in of_ours("production"):
        mounted = set(composition.services[name].get("secrets", []))
        read_there = {value for value in composition.environment(name).values() if value.startswith(SECRETS)}
        assert mounted <= named
        assert {value.removeprefix(f"{SECRETS}/") for value in read_there} <= mounted


def test_example__holds_what_production_wants_and_nothing_that_nobody_reads() -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line and line[0] != "#"]
    example = dict(line.split("=", 1) for line in lines)
    read_by_files = "".join((ROOT / file).read_text() for file in PRODUCTION)

    assert CHOSEN.keys() <= example.keys()
    assert example.pop("COMPOSE_FILE").split(":") == list(PRODUCTION)
    assert [name for name in example if not re.search(rf"\$\{{{name}\b", read_by_files)] == []
