"""Where files go, and where paths start."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.graphs.places import Surroundings, default_places


def test_one_variable_moves_caches_and_histories(tmp_path: Path) -> None:
    places = default_places({"SUREFOOT_HOME": str(tmp_path)})
    assert (places.cache, places.data) == (tmp_path / "cache", tmp_path / "data")
    assert not places.cache.exists()  # nothing is made before something is written


def test_a_relative_home_does_not_depend_on_later_working_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_places({"SUREFOOT_HOME": "here"}).data == tmp_path / "here/data"
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_places({"SUREFOOT_HOME": "~/sf"}).data == Path("/home/someone/sf/data")


@pytest.mark.parametrize("environment", [{}, {"SUREFOOT_HOME": ""}])
def test_without_it_the_platform_says_where(environment: dict[str, str]) -> None:
    places = default_places(environment)
    assert places.cache != places.data
    assert "surefoot" in places.cache.parts and "surefoot" in places.data.parts


def test_the_process_s_own_environment_is_read_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path))
    assert default_places().cache == tmp_path / "cache"
    assert Surroundings().places.cache == tmp_path / "cache"


def test_paths_start_at_the_folder_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    around = Surroundings(Path("/etc/surefoot"))
    assert around.path("docs") == Path("/etc/surefoot/docs")
    assert around.path("/srv/docs") == Path("/srv/docs")
    assert around.path("~/docs") == Path("/home/someone/docs")
