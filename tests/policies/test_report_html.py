"""The page of a report: whole, alone, escaped, with every number in its text."""

from __future__ import annotations

import builtins
import os
import random
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies.report_content import (
    ABSTAINED,
    ANSWERED,
    UNGATED,
    Advice,
    CertificateText,
    CertifiedPoint,
    Comparison,
    CostQuality,
    Estimates,
    Measure,
    NamedPoint,
    Provenance,
    Reliability,
    ReportContent,
    RiskCoverage,
    TargetRow,
)
from surefoot.policies.report_counts import bin_estimates, traffic_of
from surefoot.policies.report_html import report_html, write_report
from surefoot.policies.report_words import ranged, shown
from surefoot.router.errors import MissingExtra, StoreError
from surefoot.router.metrics import Bin

NASTY = "<script>alert('x')</script> & \"co\" $1 -->"
VOID = {"meta"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what a test asks about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open[-1:]:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        """What is read outside the pictures and inside them, one word after the other."""
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def whole(name: str = "llama") -> ReportContent:
    """Every part there is, all numbers different from one another."""
    rng = random.Random(0)
    rungs = [name, f"{name} + passages", "large"]
    estimates, losses = [rng.random() for _ in range(60)], [float(i % 3 == 0) for i in range(60)]
    return ReportContent(
        f"Replay of {name}",
        1234,
        "a subtitle",
        headline=(
            Measure("Selective risk", 0.0823, (0.0671, 0.0985), note="of gated answers"),
            Measure("Latency", 1.4243, (1.3512, 1.4931), "seconds"),
            Measure("nAUC", 0.61249, (0.57136, 0.64318), "number"),
            Measure("Cost", 3.127e-4, (2.913e-4, 3.304e-4), "cost"),
            Measure("IBC lift", None, None, "number"),
        ),
        certificate=CertificateText(True, "At most 10 % are wrong.", (("p-value", "0.01421"),)),
        targets=(
            TargetRow("selective risk", 0.1, 0.0823, (0.0671, 0.0985), True),
            TargetRow("deferred share", 0.5, 0.5312, (0.511, 0.5552), False),
            TargetRow("budget", 0.0125, None, None, None, "cost"),
        ),
        cost_quality=CostQuality(
            NamedPoint("this policy", 3.127e-4, 0.8421),
            (2.913e-4, 3.304e-4),
            (0.8232, 0.8613),
            (
                NamedPoint("always-small", 2.1e-5, 0.5724),
                NamedPoint("always-large", 9.537e-4, 0.8526),
                NamedPoint("random-mix", 3.127e-4, 0.6596),
                NamedPoint("best-single", 9.537e-4, 0.8526),
                NamedPoint("oracle", 1.417e-4, 0.9217),
            ),
            ((2.5e-5, 0.5731), (4.419e-4, 0.8018), (9.1e-4, 0.8619)),
            "US$",
        ),
        risk_coverage=RiskCoverage(
            ((0.1, 0.0321), (0.5, 0.0722), (1.0, 0.3123)),
            CertifiedPoint(0.4824, 0.0823, (0.0671, 0.0985), True),
            0.1,
        ),
        reliability=tuple(
            Reliability(rung, (Bin(31, 0.2 + 0.0111 * i, 0.2522), Bin(47, 0.8, 0.7733)), 0.0441)
            for i, rung in enumerate(rungs)
        ),
        estimates=tuple(
            bin_estimates(rung, estimates, losses, threshold=0.9 - 0.0123 * i)
            for i, rung in enumerate(rungs)
        ),
        traffic=traffic_of(
            rungs,
            [
                *[([rungs[0]], ANSWERED)] * 50,
                *[([rungs[0], rungs[1]], ANSWERED)] * 13,
                *[([rungs[0], rungs[2]], UNGATED)] * 11,
                *[(rungs, ABSTAINED)] * 7,
            ],
        ),
        compared_with=f"old {name}",
        comparison=(Comparison("quality", 0.8421, 0.8254, (0.0041, 0.0312), 0.9943),),
        advice=(Advice("gate", f"{name} before large pays 0.3333."),),
        provenance=Provenance((("rows", "7,655"),), f"surefoot replay {name} --report out"),
    )


def one_question() -> ReportContent:
    """Neither gate nor certificate nor abstention, and nothing beside it."""
    return ReportContent(
        "One",
        1,
        headline=(Measure("Quality", 1.0, (1.0, 1.0)),),
        cost_quality=CostQuality(NamedPoint("this policy", 0.0, 1.0)),
        risk_coverage=RiskCoverage(((1.0, 0.0),), CertifiedPoint(1.0, 0.0)),
        reliability=(Reliability("only", (Bin(1, 0.8, 1.0),)),),
        estimates=(bin_estimates("only", [0.8], [0.0]),),
        traffic=traffic_of(["only"], [(["only"], ANSWERED)]),
    )


def nothing_answered() -> ReportContent:
    return ReportContent(
        "Silent",
        2,
        headline=(Measure("Selective risk", None),),
        certificate=CertificateText(False, "45 accepted labels more are needed."),
        cost_quality=CostQuality(NamedPoint("this policy", 1.0, 0.0)),
        risk_coverage=RiskCoverage((), None, 0.1),
        reliability=(Reliability("only", ()),),
        estimates=(Estimates("only", (0.0,), (0.0,), (0.0,), 2, 1.5),),
        traffic=traffic_of(["only", "never"], [(["only"], ABSTAINED)] * 2),
    )


@cache
def drawn(content: ReportContent) -> str:
    """The page, drawn once for all tests that only look at it."""
    return report_html(content)


CONTENTS = [whole(), whole(NASTY), one_question(), nothing_answered(), ReportContent("Bare", 0)]
IDS = ["whole", "nasty", "one question", "nothing answered", "bare"]


@pytest.mark.parametrize("content", CONTENTS, ids=IDS)
def test_the_page_is_whole_and_needs_nothing_else(content: ReportContent) -> None:
    text = drawn(content)
    page = Page(text)

    assert text.startswith("<!DOCTYPE html>") and page.tags.count("h1") == 1
    assert not re.search(r"https?:|//[a-z]|@import|src=|<link|<script|<iframe", text)
    assert page.comments == []
    for reference in [*page.values("href"), *re.findall(r"url\(([^)]*)\)", text)]:
        assert reference.startswith("#") and reference[1:] in page.values("id")
    assert len(set(page.values("id"))) == len(page.values("id"))


@pytest.mark.parametrize("content", CONTENTS, ids=IDS)
def test_the_same_content_gives_the_same_bytes(content: ReportContent) -> None:
    assert report_html(content) == drawn(content)


def test_every_number_stands_in_the_text() -> None:
    page = Page(re.sub(r"<svg.*?</svg>", "", drawn(whole()), flags=re.DOTALL))

    for words in (
        "1,234 questions",
        "8.2 % [6.7, 9.8] %",
        "1.42 s [1.35, 1.49] s",
        "0.612 [0.571, 0.643]",
        "0.0003127 [0.0002913, 0.0003304]",
        "IBC lift not defined",
        "Certified At most 10 % are wrong. p-value 0.01421",
        "selective risk 10.0 % 8.2 % [6.7, 9.8] % met",
        "deferred share 50.0 % 53.1 % [51.1, 55.5] % missed",
        "budget 0.0125 not defined undecided",
        "this policy 84.2 % 0.0003127 98.8 % 67.2 %",
        "always-small 57.2 % 2.1e-05",
        "always-large 85.3 % 0.0009537 100.0 % 0.0 %",
        "random-mix 66.0 % 0.0003127",
        "best-single 85.3 %",
        "oracle 92.2 % 0.0001417",
        "curve 0.0004419 80.2 %",
        "the policy, certified 48.2 % 8.2 % [6.7, 9.8] %",
        "curve 50.0 % 7.2 %",
        "llama 20.0 % 25.2 % 31",
        "llama + passages 21.1 % 25.2 % 31",
        "llama 0.044",
        "large 87.5 % 40 20 0 0",
        "quality 84.2 % 82.5 % +1.7 % [0.4, 3.1] % 99.4 %",
        "gate llama before large pays 0.3333.",
        "rows 7,655 surefoot replay llama --report out",
    ):
        assert words in page.text, words
    # 81 questions: 50 + 13 answered, 11 ungated, 7 abstained.
    shares = [shown(part / 81, "share") for part in (81, 50, 0, 0, 20, 11)]
    onward = f"llama + passages {shares[4]}, large {shares[5]}"
    assert f"llama {' '.join(shares[:4])} {onward}" in page.text


def test_every_picture_tells_what_it_shows() -> None:
    text = drawn(whole())
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)

    assert len(pictures) == 5
    for picture in pictures:
        page = Page(picture)
        assert ("role", "img") in page.attributes
        (label,) = page.values("aria-labelledby")
        assert label in page.values("id") and page.tags[:2] == ["svg", "title"]
    titles = re.findall(r"<title id=[^>]*>(.*?)</title>", text)
    assert "always-large: cost 0.0009537, quality 85.3%" in titles[0]
    assert "target 10.0%; the policy, certified: 8.2% at coverage 48.2%" in titles[1]
    assert "llama to large: 13.6%" in titles[2]


def test_names_are_escaped_wherever_they_stand() -> None:
    text = drawn(whole(NASTY))
    page = Page(text)

    assert "<script" not in text and "alert" in text
    assert set(page.tags) == set(Page(drawn(whole())).tags)
    assert {name for name, _ in page.attributes if name.startswith("on")} == set()
    for place in (f"Replay of {NASTY}", f"Against old {NASTY}", f"surefoot replay {NASTY}"):
        assert place in page.text
    # Math is not set: a dollar sign is one, and text in pictures stays text.
    assert "always-large, best-single" in page.text


def test_colors_follow_the_screen() -> None:
    text = drawn(whole())

    assert "prefers-color-scheme:dark" in text and "color-scheme:light dark" in text
    used = set(re.findall(r"var\(--([a-z]+)\)", text))
    dark = text[text.index("prefers-color-scheme:dark") :]
    for name in used - {"font", "mono"}:
        assert f"--{name}:#" in dark[: dark.index("}}")]
    picture = text[text.index("<svg") :]
    assert "#0a00" not in text and not re.search(r"(?:fill|stroke): #", picture)


def test_what_is_missing_is_said_or_left_out() -> None:
    bare, silent = (Page(drawn(one)) for one in (ReportContent("Bare", 0), CONTENTS[3]))

    assert "No certificate" in bare.text and "promise nothing" in bare.text
    assert "svg" not in bare.tags and "table" not in bare.tags
    assert "Not certified 45 accepted labels more are needed." in silent.text
    assert "Certified" not in silent.text
    assert silent.tags.count("svg") == 3  # neither a risk curve nor a bin
    assert "never answers" in silent.text
    assert "1 question;" in Page(drawn(one_question())).text


def test_the_verdict_is_never_more_than_was_tested_for() -> None:
    for content in (one_question(), nothing_answered()):
        text = Page(drawn(content)).text
        assert "guarantee" not in text and "certified:" not in text.replace("not certified:", "")


def test_a_long_curve_is_thinned_in_print_only() -> None:
    curve = tuple((i / 1000, i / 2000) for i in range(1, 1001))
    told = ReportContent("Long", 1000, risk_coverage=RiskCoverage(curve))
    text = drawn(told)

    assert text.count('<th scope="row">curve</th>') == 50
    assert "curve 0.1 % 0.1 %" in Page(text).text and "curve 100.0 % 50.0 %" in Page(text).text


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    write_report(one_question(), tmp_path / "new" / "report.html")

    assert (tmp_path / "new" / "report.html").read_text("utf-8") == drawn(one_question())
    with pytest.raises(StoreError):
        write_report(one_question(), tmp_path / "new" / "report.html" / "report.html")
    assert os.listdir(tmp_path / "new") == ["report.html"]


def test_without_matplotlib_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def hidden(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[fit\]'"):
        write_report(one_question(), tmp_path / "report.html")
    assert os.listdir(tmp_path) == []


def test_no_window_system_is_loaded_and_no_setting_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    report_html(one_question())

    assert "matplotlib.pyplot" not in sys.modules
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.8341, "share", "83.4 %"),
        (-0.00001, "share", "0.0 %"),
        (-0.0123, "share", "-1.2 %"),
        (0.57349, "number", "0.573"),
        (-0.0001, "number", "0.000"),
        (1.25e-5, "cost", "1.25e-05"),
        (12.3456, "cost", "12.35"),
        (0.4213, "seconds", "0.421 s"),
    ],
)
def test_numbers_in_words(value: float, unit: Any, words: str) -> None:
    assert shown(value, unit) == words


def test_intervals_in_words() -> None:
    assert ranged((0.8121, 0.8543), "share") == "[81.2, 85.4] %"
    assert ranged((0.4, 1.21), "seconds") == "[0.4, 1.21] s"
    assert ranged((-0.5, 0.25), "number") == "[-0.500, 0.250]"
