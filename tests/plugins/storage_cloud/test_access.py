"""Where the services are and who we are there."""

from pathlib import Path

import pytest

from pegboard.errors import ConfigError
from pegboard_storage_cloud._access import chosen_service, configured_services, s3_options
from pegboard_storage_cloud.config import StorageCloudConfig

CREDENTIALS = """
[default]
aws_access_key_id = of-default
aws_secret_access_key = %secret%

[work]
aws_access_key_id = of-work
aws_secret_access_key = secret
aws_session_token = token
"""
CONFIG = """
[default]
region = eu-west-1
[profile work]
region = eu-central-1
endpoint_url = https://s3.work.example
"""
KEY = {"AWS_ACCESS_KEY_ID": "of-env", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(CREDENTIALS)
    (folder / "config").write_text(CONFIG)
    return tmp_path


def settings(**values: str) -> StorageCloudConfig:
    return StorageCloudConfig(s3_bucket="files", **values)


def test_settings_win_over_the_environment_and_that_over_the_profile(home: Path) -> None:
    named = settings(s3_access_key_id="of-settings", s3_secret_access_key="secret")
    assert s3_options(named, KEY, home)["access_key_id"] == "of-settings"
    assert s3_options(settings(), KEY, home)["access_key_id"] == "of-env"
    assert s3_options(settings(), {}, home)["access_key_id"] == "of-default"
    assert s3_options(settings(), {}, home)["secret_access_key"] == "%secret%"


def test_a_profile_that_is_named_wins_over_the_environment(home: Path) -> None:
    named = s3_options(settings(s3_profile="work"), KEY, home)
    assert named["access_key_id"] == "of-work"
    assert named["session_token"] == "token"
    assert named["region"] == "eu-central-1"
    assert named["endpoint"] == "https://s3.work.example"
    by_environment = s3_options(settings(), {"AWS_PROFILE": "work"}, home)
    assert by_environment["access_key_id"] == "of-work"


def test_region_and_endpoint_come_from_the_usual_places(home: Path, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody"
    assert s3_options(settings(), {}, nobody)["region"] == "us-east-1"
    assert s3_options(settings(), {}, home)["region"] == "eu-west-1"
    environ = {"AWS_REGION": "af-south-1", "AWS_ENDPOINT_URL_S3": "https://env.example"}
    options = s3_options(settings(), environ, home)
    assert (options["region"], options["endpoint"]) == ("af-south-1", "https://env.example")
    named = settings(s3_region="here", s3_endpoint="https://set.example")
    options = s3_options(named, environ, home)
    assert (options["region"], options["endpoint"]) == ("here", "https://set.example")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://s3.example", "http://s3.example"),
        ("s3.example:9000", "https://s3.example:9000"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
    ],
)
def test_an_address_without_a_scheme_means_tls(address: str, expected: str, tmp_path: Path) -> None:
    options = s3_options(settings(s3_endpoint=address), {}, tmp_path)
    assert options["endpoint"] == expected


def test_where_nobody_names_credentials_the_role_of_the_machine_decides(tmp_path: Path) -> None:
    assert set(s3_options(settings(), {}, tmp_path)) == {"region", "virtual_hosted_style_request"}


@pytest.mark.parametrize(
    ("given", "environ", "message"),
    [
        ({"s3_profile": "nobody"}, {}, "no profile 'nobody'"),
        ({"s3_access_key_id": "half"}, {}, "both a key id and a secret key"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "half"}, "both a key id and a secret key"),
        ({}, {"AWS_CONFIG_FILE": __file__}, "cannot be read"),
    ],
)
def test_half_a_key_and_an_unknown_profile_are_mistakes(
    home: Path, given: dict[str, str], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        s3_options(settings(**given), environ, home)


@pytest.mark.parametrize(
    ("backend", "values", "environ", "expected"),
    [
        ("cloud", {"s3_bucket": "b"}, {}, "s3"),
        ("cloud", {"redis_url": "redis://h"}, {}, "redis"),
        ("cloud", {}, {"REDIS_URL": "redis://h"}, "redis"),
        ("cloud", {"s3_bucket": "b", "redis_url": "redis://h", "service": "redis"}, {}, "redis"),
        ("s3", {"s3_bucket": "b", "redis_url": "redis://h"}, {}, "s3"),
        ("cloud", {"s3_bucket": "b", "redis_url": "redis://h"}, {}, "s3"),
        ("cloud", {}, {}, "s3_bucket or redis_url"),
        ("s3", {"redis_url": "redis://h"}, {}, "needs plugins.storage_cloud.s3_bucket"),
        (
            "cloud",
            {"s3_bucket": "b", "service": "redis"},
            {},
            "needs plugins.storage_cloud.redis_url",
        ),
    ],
)
def test_a_backend_means_one_service(
    backend: str, values: dict[str, str], environ: dict[str, str], expected: str
) -> None:
    config = StorageCloudConfig(**values)
    services = configured_services(config, environ)
    try:
        found = chosen_service(backend, config, services)
    except ConfigError as error:
        found = str(error)
    assert expected in found
