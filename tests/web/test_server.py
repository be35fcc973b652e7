"""Where the Workbench may listen, who is configured, and what is missing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sheetsync.errors import ConfigError
from sheetsync.settings.model import Person as Configured
from sheetsync.settings.model import ServeSettings
from sheetsync.web.people import People, new_token
from sheetsync.web.people import Person as Known
from sheetsync.web.server import check_address, is_loopback, read_people

ANA = People.of([Known("ana", frozenset({"owner"}))])


EVERYWHERE = "0.0.0.0"  # noqa: S104 - refused is what is tested


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "workbench.example", "", "127.0.0.1.evil.example"])
def test_a_public_address_needs_people_and_a_public_name(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="no people are configured"):
        check_address(host, People.of([]), "https://workbench.example")
    with pytest.raises(ConfigError, match="public_url"):
        check_address(host, ANA, "")
    check_address(host, ANA, "https://workbench.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_needs_nothing(host: str) -> None:
    check_address(host, People.of([]), "")


def test_people_are_read_with_all_mistakes_at_once() -> None:
    _token, token_hash = new_token()
    good = ServeSettings(people=(Configured("ana", frozenset({"owner", "publisher"}), token_hash),))
    person = read_people(good).find("ana")
    assert person is not None
    assert person.may("publish")
    wrong = ServeSettings(
        people=(Configured("bob", frozenset({"king"}), token_hash), Configured("cy", frozenset({"owner"}), "nonsense"),
                Configured("di", frozenset({"owner"})))
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_people(wrong)
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == ["bob", "cy", "di"]
    assert token_hash not in str(caught.value)


@pytest.mark.parametrize("settings", [{"identity_header": "X-User"}])
def test_an_identity_header_needs_people(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="says who has which role"):
        read_people(ServeSettings(**settings))


def test_without_the_extra_the_hint_says_how_to_install_it() -> None:
    """In a process of its own, where the framework cannot be found."""
    program = (
        "import sys\n"
        "sys.modules['jinja2'] = None\n"
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'jinja2' else find(name, *a)\n"
        "from sheetsync.web import run\n"
        "from sheetsync.errors import MissingExtraError\n"
        "try:\n    run(None, tell=print, on_ready=print)\n"
        "except MissingExtraError as error:\n    print(error.exit_code, error.message, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2 the Workbench needs jinja2 pip install 'sheetsync-workbench[web]'")
