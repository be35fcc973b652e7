"""Where settings come from, which one wins, and that every mistake is told at once, with its line."""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync import settings
from sheetsync.bootstrap import read_template
from sheetsync.errors import ConfigError
from sheetsync.settings.keys import ARRAYS, KEYS

Load = Callable[..., settings.Settings]
Write = Callable[..., Path]
SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcd"


def mistakes(load: Load, **options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(**options)
    assert caught.value.exit_code == 2
    return caught.value.mistakes


def test_the_files_of_init_give_the_defaults(load: Load, workspace: Path) -> None:
    found = load()
    assert found.root == workspace
    assert found.store == str(workspace / "store")
    assert (found.tenant, found.spreadsheet, found.is_local) == ("default", "local", True)
    assert found.user == pwd.getpwuid(os.getuid()).pw_name
    assert "firearm.external_write" in found.firearms
    assert [route.pattern for route in found.routes][:1] == ["/chat/*"]
    assert found.sheets == settings.SheetsSettings()
    assert found.state_dir == Path("/home/ana/.local/state/sheetsync")
    assert found.credentials.oauth_token == found.state_dir / "oauth_token.json"
    assert found.warnings == ()


def test_the_template_explains_every_key_and_its_commented_defaults_are_the_real_ones(load: Load, write: Write) -> None:
    text = read_template("sheetsync.toml")
    shown = re.sub(r"(?m)^# (?=[a-z_]+ = |\[\[)", "", text)
    named = {"store", "tenant"}
    section = ""
    for line in shown.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif match := re.match(r"([a-z_]+) = ", line):
            named.add(f"{section}.{match[1]}" if section and section not in ARRAYS else match[1])
    assert set(KEYS) <= named
    before = load()
    examples = (
        "user",
        "state_dir",
        "endpoint",
        "file",
        "impersonate",
        "oauth",
        "unattended",
        "validator",
        "public_url",
    )
    kept = [
        line
        for line in shown.partition("# [[serve.person]]")[0].partition("[[serve.person]]")[0].splitlines()
        if not line.startswith((*examples, "identity_header", "settle_seconds"))
    ]
    text = re.sub(r"\[\[target\]\]\ntenant = .*\nspreadsheet = .*\n", "", "\n".join(kept))
    write(text)
    assert load() == before


def test_flags_win_over_the_environment_and_the_environment_over_the_file(load: Load, write: Write) -> None:
    write('tenant = "from-file"\nspreadsheet = "local"\nuser = "file@example.com"\n')
    environ = {"SHEETSYNC_TENANT": "from-env", "SHEETSYNC_USER": "env@example.com", "SHEETSYNC_SPREADSHEET": SHEET}
    found = load(environ=environ, overrides={"user": "flag@example.com"})
    assert (found.tenant, found.user, found.spreadsheet) == ("from-env", "flag@example.com", SHEET)


def test_every_key_of_the_file_has_a_variable(load: Load) -> None:
    found = load(
        environ={
            "SHEETSYNC_PULL_SETTLE_SECONDS": "30",
            "SHEETSYNC_PULL_UNATTENDED_USERS": "cron, robot",
            "SHEETSYNC_PUBLISH_LOOSENING_NEEDS_SECOND_PERSON": "false",
            "SHEETSYNC_SHEETS_ENDPOINT": "http://127.0.0.1:8090/",
            "SHEETSYNC_SHEETS_RETRY_ATTEMPTS": "2",
            "SHEETSYNC_SERVE_PORT": "0",
        }
    )
    assert found.pull.settle_seconds == 30
    assert found.pull.unattended_users == {"cron", "robot"}
    assert found.publish.loosening_needs_second_person is False
    assert found.sheets.endpoint == "http://127.0.0.1:8090"
    assert found.sheets.retry.attempts == 2
    assert found.serve.port == 0


def test_an_empty_variable_counts_as_none_and_an_unknown_one_is_a_warning(load: Load) -> None:
    found = load(environ={"SHEETSYNC_TENANT": "", "SHEETSYNC_TENNANT": "x", "SHEETSYNC_CONFIG": ""})
    assert found.tenant == "default"
    assert found.warnings == (
        "the environment variable SHEETSYNC_TENNANT is not known (did you mean 'SHEETSYNC_TENANT'?)",
    )


def test_paths_of_the_file_are_relative_to_the_workspace_and_those_of_flags_to_where_one_stands(
    load: Load, write: Write, workspace: Path, tmp_path: Path
) -> None:
    write('store = "../elsewhere"\n[credentials]\nfile = "keys/robot.json"\n')
    config = workspace / "config" / "sheetsync.toml"
    found = load(cwd=tmp_path, config=config)
    assert found.store == str(workspace / "../elsewhere")
    assert found.credentials.file == workspace / "keys/robot.json"
    assert load(cwd=tmp_path, config=config, overrides={"store": "here"}).store == str(tmp_path / "here")
    assert load(cwd=tmp_path, config=config, environ={"SHEETSYNC_STORE": "env"}).store == str(tmp_path / "env")


def test_commands_inside_the_workspace_find_it_and_commands_outside_are_told_how(
    load: Load, workspace: Path, tmp_path: Path
) -> None:
    deep = workspace / "store" / "deep"
    deep.mkdir(parents=True)
    assert load(cwd=deep).root == workspace
    assert load(cwd=tmp_path, config=Path("space")).root == workspace
    assert load(cwd=tmp_path, config=Path("space/config")).root == workspace
    assert load(cwd=tmp_path, environ={"SHEETSYNC_CONFIG": "space/config/sheetsync.toml"}).root == workspace
    with pytest.raises(ConfigError, match="no workspace") as caught:
        load(cwd=tmp_path)
    assert "sheetsync init" in caught.value.hint
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load(cwd=tmp_path, config=Path("nowhere.toml"))


def test_a_named_store_needs_no_configuration(tmp_path: Path) -> None:
    found = settings.load(cwd=tmp_path, environ={}, overrides={"store": "s"})
    assert (found.store, found.config_file, found.routes) == (str(tmp_path / "s"), None, ())


def test_a_configuration_that_lies_outside_a_config_folder_is_relative_to_its_own(load: Load, workspace: Path) -> None:
    (workspace / "config" / "sheetsync.toml").rename(workspace / "other.toml")
    assert load(config=Path("other.toml")).root == workspace


def test_all_mistakes_are_told_at_once_each_with_its_line(load: Load, write: Write) -> None:
    write(
        "\n".join(
            [
                'tenant = "Not A Tenant"',
                'spreadshet = "local"',
                "[pull]",
                'settle_seconds = "soon"',
                "loosening_needs_second_person = true",
                "[sheets]",
                'endpoint = "ftp://x"',
                "[[serve.person]]",
                'user = "ana@example.com"',
                'roles = ["boss"]',
                "[[serve.person]]",
                'roles = ["owner"]',
                'tokn_hash = "x"',
                "[serve]" if False else "[nonsense]",
                "a = 1",
            ]
        )
    )
    write('[[firearm]]\nid = "firearm.ok"\n[[firearm]]\nid = "gun"\n\n[[firearm]]\ntitle = "x"\n', "firearms.toml")
    write('[[route]]\npattern = "/a"\n[[route]]\npattern = "/a"\nconnector = ["x"]\n', "engine_routes.toml")
    found = mistakes(load, environ={"SHEETSYNC_USER": "not a user", "SHEETSYNC_SERVE_PORT": "70000"})
    text = "\n".join(found)
    for expected in (
        "config/sheetsync.toml:1: tenant must be of the form",
        "config/sheetsync.toml:2: unknown key 'spreadshet' (did you mean 'spreadsheet'?)",
        "config/sheetsync.toml:4: pull.settle_seconds must be a number",
        "config/sheetsync.toml:5: unknown key 'pull.loosening_needs_second_person' (did you mean 'publish.loosening",
        "config/sheetsync.toml:7: sheets.endpoint: 'ftp://x' is not a base URL",
        "config/sheetsync.toml:10: roles must be one or more of owner, reviewer, publisher",
        "config/sheetsync.toml:11: [[serve.person]] has no 'user'",
        "config/sheetsync.toml:13: unknown key 'tokn_hash' (did you mean 'token_hash'?)",
        "config/sheetsync.toml:14: unknown key 'nonsense'",
        "config/firearms.toml:4: id: ",
        "config/firearms.toml:6: id: is missing",
        "config/engine_routes.toml:4: '/a' stands here twice (first on line 2)",
        "config/engine_routes.toml:5: unknown key 'connector' (did you mean 'connectors'?)",
        "SHEETSYNC_USER: must be an e-mail address or a login name",
        "SHEETSYNC_SERVE_PORT: must be a number from 0 to 65535",
    ):
        assert expected in text
    assert len(found) == 15


@pytest.mark.parametrize(
    ("text", "line"),
    [("tenant = ", 1), ('a = 1\nb = "', 2), ("[x\n", 1), ("tenant = 'a'\ntenant = 'b'\n", 2)],
)
def test_a_file_that_is_no_toml_is_told_with_its_line(load: Load, write: Write, text: str, line: int) -> None:
    write(text)
    (found,) = mistakes(load)
    assert found.startswith(f"config/sheetsync.toml:{line}: ")


def test_a_file_that_is_no_text_and_a_missing_catalogue_are_told(load: Load, workspace: Path) -> None:
    (workspace / "config" / "sheetsync.toml").write_bytes(b"\xff\xfe")
    (workspace / "config" / "firearms.toml").unlink()
    found = mistakes(load)
    assert found[0] == "config/sheetsync.toml: is not UTF-8 text"
    assert found[1].startswith("config/firearms.toml: cannot be read: ")


@pytest.mark.parametrize("value", ['"yes please"', "1", '["a"]', '""'])
def test_a_flag_must_be_true_or_false(load: Load, write: Write, value: str) -> None:
    write(f"[publish]\nloosening_needs_second_person = {value}\n")
    (found,) = mistakes(load)
    assert "must be true or false" in found


def test_settling_is_off_for_a_person_and_two_minutes_for_an_endless_sync_unless_configured(
    load: Load, write: Write
) -> None:
    found = load().pull
    assert (found.settle_s(every=False), found.settle_s(every=True)) == (0, 120)
    write("[pull]\nsettle_seconds = 5\n")
    found = load().pull
    assert (found.settle_s(every=False), found.settle_s(every=True)) == (5, 5)


def test_people_and_targets_are_read(load: Load, write: Write) -> None:
    write(
        '[[serve.person]]\nuser = "ana@example.com"\nroles = ["owner", "reviewer"]\ntoken_hash = "scrypt$1"\n'
        f'[[target]]\ntenant = "europe"\n[[target]]\nspreadsheet = "https://docs.google.com/spreadsheets/d/{SHEET}/edit"\n'
    )
    found = load()
    assert found.serve.people == (settings.Person("ana@example.com", frozenset({"owner", "reviewer"}), "scrypt$1"),)
    assert found.targets == (settings.Target("europe"), settings.Target(spreadsheet=SHEET))


def test_what_is_shown_holds_no_secret(load: Load, write: Write) -> None:
    write(
        '[credentials]\nfile = "robot.json"\n'
        '[[serve.person]]\nuser = "ana@example.com"\nroles = ["owner"]\ntoken_hash = "scrypt$planted-secret"\n'
    )
    found = load()
    text = json.dumps(found.to_public_json())
    assert "planted" not in text + repr(found)
    assert json.loads(text)["serve"]["people"] == [{"user": "ana@example.com", "roles": ["owner"], "has_token": True}]


def test_a_secret_of_the_wrong_form_is_not_repeated(load: Load, write: Write) -> None:
    write('[[serve.person]]\nuser = "ana@example.com"\nroles = ["owner"]\ntoken_hash = ["planted-secret"]\n')
    assert "planted" not in "".join(mistakes(load))


def test_the_login_name_is_that_of_the_process_not_of_the_environment(load: Load) -> None:
    assert load(environ={"LOGNAME": "mallory", "USER": "mallory"}).user == pwd.getpwuid(os.getuid()).pw_name


def test_the_files_of_the_repository_are_those_that_init_writes() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in ("sheetsync.toml", "firearms.toml", "engine_routes.toml"):
        assert (root / "config" / name).read_text(encoding="utf-8") == read_template(name)
