"""`tb-manifest.yaml`, the manifest of the documents, read as settings."""

from textwrap import dedent

import pytest

from pegboard._config import AccessSettings, AppSettings, load_config
from pegboard.errors import ConfigError

DOCUMENTED = """
manifest_version: "1.0"
app:
  name: My App
  environment: production
  debug: true
  log_level: DEBUG
  instance_id: main
mods:
  open_modules: [CloudM, Public]
  watch_modules: []
database:
  mode: LR
  redis: {url: "redis://localhost", password: "${REDIS_PASSWORD}"}
workers:
  http:
    - {name: http1, host: 0.0.0.0, port: 8000, workers: 4}
nginx: {enabled: true}
environments:
  production:
    app.debug: false
    workers.http[0].port: 80
    database.redis.password: secret
  development:
    app.name: never
"""


def load(tmp_path, text, **environment):
    (tmp_path / "tb-manifest.yaml").write_text(dedent(text))
    return load_config(tmp_path, environment=environment)


def test_what_there_is_a_setting_for_is_taken_and_the_rest_left_alone(tmp_path):
    config = load(tmp_path, DOCUMENTED)
    app, access = config.section("app", AppSettings), config.section("access", AccessSettings)
    assert (app.name, app.dev, app.log_level) == ("My App", False, "DEBUG")
    assert access.open_modules == ("CloudM", "Public")
    assert config.origin("app.name") == str(tmp_path / "tb-manifest.yaml")
    assert {config.origin(f"serve.{name}") for name in ("host", "port", "workers")} == {
        str(tmp_path / "tb-manifest.yaml")
    }


def test_variables_are_filled_in(tmp_path):
    text = "app: {name: '${NAME:nobody} and ${OTHER}'}"
    name = load(tmp_path, text, OTHER="x").section("app", AppSettings).name
    assert name == "nobody and x"


def test_a_variable_chooses_the_environment(tmp_path):
    text = """
        app: {environment: '${WHERE:production}', debug: true}
        environments: {production: {app.debug: false}}
    """
    assert load(tmp_path, text).section("app", AppSettings).dev is False
    assert load(tmp_path, text, WHERE="development").section("app", AppSettings).dev is True


def test_pegboards_own_manifest_comes_first(tmp_path):
    (tmp_path / "pegboard.toml").write_text("[app]\nname = 'own'\n")
    assert load(tmp_path, DOCUMENTED).section("app", AppSettings).name == "own"


def test_an_empty_manifest_is_no_settings(tmp_path):
    assert load(tmp_path, "").section("app", AppSettings) == AppSettings()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("apps: {}", "unknown section 'apps'"),
        ("app: [", "is not valid YAML"),
        ("- app", "has to be a mapping"),
        ("just text", "has to be a mapping"),
        ("5", "has to be a mapping"),
        ("environments: {development: [1]}", "environments.development has to be a mapping"),
        ("environments: {development: {'workers.http[2].port': 1}}\nworkers: {http: []}", "item 2"),
        ("environments: {development: {'app.name.x': 1}}\napp: {name: a}", "not in a section"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_an_error_with_its_place(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        load(tmp_path, text)
    assert "tb-manifest.yaml" in str(caught.value)


def test_a_value_that_does_not_fit_is_an_error_with_its_place(tmp_path):
    config = load(tmp_path, "app: {log_level: LOUD}")
    with pytest.raises(ConfigError, match=r"app\.log_level \(from .*tb-manifest\.yaml\)"):
        config.section("app", AppSettings)


def test_the_mode_of_the_database_is_that_of_the_storage_which_need_not_be_installed(tmp_path):
    config = load(tmp_path, "database: {mode: CB}")
    assert config._lookup("plugins.storage") == {"mode": "CB"}
    config.check_plugins([])
    assert load(tmp_path, "app: {name: a}")._lookup("plugins.storage") == {}


def test_the_services_of_the_database_are_those_of_the_cloud_store(tmp_path):
    text = """
        database:
          redis: {url: "redis://h", username: u, password: p, db_index: 0}
          minio: {endpoint: "h:9000", access_key: a, secret_key: s, bucket: b, use_ssl: false}
    """
    assert load(tmp_path, dedent(text))._lookup("plugins.storage_cloud") == {
        "redis_url": "redis://h",
        "redis_username": "u",
        "redis_password": "p",
        "s3_endpoint": "h:9000",
        "s3_bucket": "b",
        "s3_access_key_id": "a",
        "s3_secret_access_key": "s",
    }
