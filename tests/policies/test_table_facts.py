"""What a table says of its tiers and estimators goes into the profile; contradictions are named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.fit import Prices
from surefoot.policies.outcomes import Outcome, outcome_row, read_outcomes
from surefoot.policies.profile import FittedTier
from surefoot.policies.table_facts import fit_settings, fitted_on
from surefoot.router.errors import UsageError
from surefoot.router.tables import write_lines

from .worlds import outcome, table_of

PRICES = Prices(10.0, 5.0)
VERSIONS = {"s": 1, "t": 4}


def recorded(query_id: str, tier: int, **changes: Any) -> Outcome:
    """A row as a recording writes it."""
    told = {
        "tier_name": ("small", "large")[tier],
        "price": {"input": 1.0 + tier, "output": 2.0},
        "estimators_fingerprint": "f" * 64,
        "estimator_versions": VERSIONS,
        **changes,
    }
    row = outcome(query_id, tier, signals={"t": 0.5, "s": 0.5}, **told)
    return replace(row, model=f"m-{tier}")


def refusal(rows: Iterable[Outcome]) -> str:
    with pytest.raises(UsageError) as caught:
        fit_settings(table_of(rows), PRICES, 0)
    return str(caught.value)


def test_a_bare_table_names_tiers_by_number_and_binds_to_signal_names() -> None:
    rows = [outcome("q", 0, signals={"t": 0.5}), outcome("q", 1, signals={"s": 0.1})]
    settings = fit_settings(table_of(rows), PRICES, 7)

    assert settings.tiers == (FittedTier("tier-0"), FittedTier("tier-1"))
    assert settings.estimators == {"names": ["s", "t"]}
    assert (settings.versions, settings.prices, settings.seed) == ({}, PRICES, 7)


def test_a_recording_tells_names_models_prices_and_versions() -> None:
    rows = [recorded(query, tier) for query in ("p", "q") for tier in (0, 1)]
    settings = fit_settings(table_of(rows), PRICES, 0)

    assert settings.tiers == (
        FittedTier("small", "m-0", {"input": 1.0, "output": 2.0}),
        FittedTier("large", "m-1", {"input": 2.0, "output": 2.0}),
    )
    assert settings.estimators == {"names": ["s", "t"], "versions": VERSIONS, "how": "f" * 64}
    assert settings.versions == VERSIONS


def test_the_order_of_rows_and_signals_does_not_matter() -> None:
    rows = [recorded(query, tier) for query in ("p", "q") for tier in (0, 1)]
    turned = [replace(row, signals={"s": 0.5, "t": 0.5}) for row in reversed(rows)]

    assert fit_settings(table_of(rows), PRICES, 0) == fit_settings(table_of(turned), PRICES, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"estimators_fingerprint": "0" * 64}, "the table disagree about estimators_fingerprint"),
        ({"estimators_fingerprint": None}, "the table disagree about estimators_fingerprint"),
        ({"estimator_versions": {"s": 2, "t": 4}}, "the table disagree about estimator_versions"),
        ({"tier_name": "tiny"}, "tier 0 disagree about tier_name"),
        ({"price": None}, "tier 0 disagree about price"),
    ],
)
def test_rows_that_disagree_are_refused(changes: dict[str, Any], words: str) -> None:
    assert words in refusal([recorded("p", 0), recorded("q", 0, **changes), recorded("q", 1)])


def test_rows_of_two_models_in_one_tier_are_refused() -> None:
    other = replace(recorded("q", 0), model=None)

    assert "one model, it has None, m-0" in refusal([recorded("p", 0), other])


def test_a_gap_between_the_tiers_is_refused() -> None:
    assert "tier 1 has no row; number the tiers from 0" in refusal(
        [outcome("q", 0), outcome("q", 10**9)]
    )


@pytest.mark.parametrize("versions", [[1], "s", 3, {"s": "one"}, {"s": True}, {"s": 1.0}])
def test_versions_that_are_none_are_refused(versions: Any) -> None:
    rows = [recorded("p", 0, estimator_versions=versions)]

    assert "expected estimator_versions by name" in refusal(rows)


def test_a_foreign_fingerprint_of_another_type_is_taken_as_text() -> None:
    settings = fit_settings(table_of([recorded("p", 0, estimators_fingerprint=7)]), PRICES, 0)

    assert settings.estimators["how"] == "7"


def test_where_it_was_fitted_on_is_counted_and_hashed(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    write_lines(path, [outcome_row(recorded(query, tier)) for query in "pqr" for tier in (0, 1)])

    assert fitted_on(read_outcomes(path), path, "2026-01-01") == {
        "questions": 3,
        "rows": 6,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "date": "2026-01-01",
    }
