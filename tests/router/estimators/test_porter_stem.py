"""Stems as the Natural Language Toolkit 3.9 cuts them; the literals were recorded from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.porter_stem import porter_stem

# One word at least for every rule, those that differ from the paper of 1980 in the last block.
RECORDED = """
caresses=caress ponies=poni caress=caress cats=cat feed=feed agreed=agre disabled=disabl
plastered=plaster bled=bled motoring=motor sing=sing conflated=conflat troubled=troubl sized=size
hopping=hop tanned=tan falling=fall hissing=hiss fizzed=fizz failing=fail filing=file happy=happi
relational=relat conditional=condit rational=ration valenci=valenc hesitanci=hesit digitizer=digit
radicalli=radic differentli=differ vileli=vile analogousli=analog vietnamization=vietnam
predication=predic operator=oper feudalism=feudal decisiveness=decis hopefulness=hope
callousness=callous formaliti=formal sensitiviti=sensit sensibiliti=sensibl triplicate=triplic
formative=form formalize=formal electriciti=electr electrical=electr hopeful=hope goodness=good
revival=reviv allowance=allow inference=infer airliner=airlin gyroscopic=gyroscop
adjustable=adjust defensible=defens irritant=irrit replacement=replac adjustment=adjust
dependent=depend adoption=adopt homologou=homolog communism=commun activate=activ
angulariti=angular homologous=homolog effective=effect bowdlerize=bowdler probate=probat rate=rate
cease=ceas controll=control roll=roll yearly=yearli 20th=20th 3rd=3rd is=is by=by bobbed=bob

sky=sky skies=sky dying=die news=news innings=inning proceed=proceed ties=tie dies=die died=die
cries=cri enjoy=enjoy played=play toys=toy kidney=kidney flying=fli sayyid=sayyid
conformabli=conform emotionally=emot joyfully=joy archaeology=archaeolog abed=abe oded=ode
logi=logi alli=alli
"""


@pytest.mark.parametrize(("word", "stem"), [pair.split("=") for pair in RECORDED.split()])
def test_stems_are_those_of_published_rouge_figures(word: str, stem: str) -> None:
    assert porter_stem(word) == stem


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", max_size=14))
def test_any_word_has_a_stem_no_longer_than_itself(word: str) -> None:
    stem = porter_stem(word)
    assert len(stem) <= len(word)
    assert stem or not word
