"""The example for Kubernetes: every name in it must exist in the service or in its image.

No cluster is needed, and none was asked: the file is read, and held against the code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.service.http_app import HANDLERS
from surefoot.service.http_auth import with_hashed_keys
from surefoot.service.http_metrics import Metrics

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "examples" / "kubernetes.yaml").read_text(encoding="utf-8")
PARTS: dict[str, Any] = {part["kind"]: part for part in yaml.safe_load_all(TEXT)}
POD = PARTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
SECRETS = {"SUREFOOT_KEY": "k" * 48, "SUREFOOT__HISTORY__URL": "redis://:secret@127.0.0.1:1/0"}


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """What the container would build, from its file and its environment."""
    (file,) = PARTS["ConfigMap"]["data"].values()
    settings = parse_settings(file, "surefoot.toml", SECRETS)
    places = Places(tmp_path / "cache", tmp_path / "data")
    return build(settings, Surroundings(tmp_path, places, SECRETS))


def test_the_configuration_is_one(built: Built) -> None:
    assert built.settings.history.url == SECRETS["SUREFOOT__HISTORY__URL"]
    serve = with_hashed_keys(built.settings.serve, SECRETS)
    assert serve.host == "0.0.0.0" and serve.keys[0].sha256 is not None
    assert built.settings.policy.shelf == "production"


def test_the_environment_is_what_the_configuration_reads() -> None:
    given = {one["name"] for one in CONTAINER["env"]}
    assert given == {*SECRETS, "SUREFOOT_HOME"}
    keys = re.findall(r"--from-literal=(\w+)=", TEXT)
    refs = [one["valueFrom"]["secretKeyRef"] for one in CONTAINER["env"] if "valueFrom" in one]
    assert sorted(ref["key"] for ref in refs) == sorted(keys)
    assert {ref["name"] for ref in refs} == {"surefoot"}


def test_file_and_folders_lie_where_they_are_mounted() -> None:
    mounts = {one["name"]: one["mountPath"] for one in CONTAINER["volumeMounts"]}
    assert {one["name"] for one in POD["volumes"]} == set(mounts)
    (name,) = PARTS["ConfigMap"]["data"]
    assert CONTAINER["args"] == ["serve", "--config", f"{mounts['config']}/{name}"]
    home = next(one["value"] for one in CONTAINER["env"] if one["name"] == "SUREFOOT_HOME")
    assert home == mounts["home"]
    assert f"ENV SUREFOOT_HOME={home}" in (ROOT / "Dockerfile").read_text()


def test_probes_and_ports_are_the_service_s(built: Built) -> None:
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == built.settings.serve.port
    paths = {path for path, _, _ in HANDLERS}
    for probe in ("readinessProbe", "livenessProbe"):
        asked = CONTAINER[probe]["httpGet"]
        assert asked["path"] in paths and asked["port"] == port["name"]
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
    notes = PARTS["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/path"] in paths
    assert notes["prometheus.io/port"] == str(port["containerPort"])
    (published,) = PARTS["Service"]["spec"]["ports"]
    assert published["targetPort"] == port["name"]


def test_it_runs_as_the_image_s_user_and_may_do_nothing_else() -> None:
    (uid,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == int(uid)
    own = CONTAINER["securityContext"]
    assert own["readOnlyRootFilesystem"] is True and own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_there_is_time_to_drain(built: Built) -> None:
    seconds = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = POD["terminationGracePeriodSeconds"]
    assert grace > seconds + built.settings.serve.drain_s + 5


def test_it_scales_by_a_number_that_the_service_tells(built: Built) -> None:
    scaler = PARTS["HorizontalPodAutoscaler"]["spec"]
    (metric,) = scaler["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"\n{name} " in Metrics(built, {}).text().decode()
    assert TEXT.count(name) >= 4  # the adapter's rule speaks of the same
    most = built.settings.serve.max_in_flight
    assert int(metric["pods"]["target"]["averageValue"]) <= most / 2
    assert scaler["scaleTargetRef"]["name"] == PARTS["Deployment"]["metadata"]["name"]
    labels = PARTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selected = PARTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert PARTS["Service"]["spec"]["selector"] == selected == labels
