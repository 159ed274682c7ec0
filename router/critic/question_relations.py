"""Words that ask for a relation, and the words by which a passage states it."""

from __future__ import annotations

from collections.abc import Mapping

from .stems import stem

__all__ = ["ASKED", "RELATIONS"]


def _lexicon(table: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in table.strip().splitlines():
        asking, stating = line.split(":")
        for word in asking.split():
            key = stem(word)
            found[key] = (*found.get(key, ()), *(stem(one) for one in stating.split()))
    return found


RELATIONS = _lexicon("""
director directors directed: directed director film
father: son daughter father child
mother: son daughter mother child
grandfather grandmother grandparents: son daughter father mother child
husband wife spouse married: wife husband married spouse consort widow
law: wife husband married spouse consort
composer composed: composed composer music written wrote
performer performed singer: by song single performed recorded
author wrote written writer: by written wrote author novel
founder founded: founded founder
publisher published company: published publisher
son daughter child: son daughter child father mother
sibling brother sister: brother sister sibling
producer produced: produced producer
creator created: created creator
employer employed: employed professor works
presenter: hosted presented
""")
"""Stem of a relation in a question to stems that stand before the related name in a passage."""

ASKED = _lexicon("""
born birth birthday birthplace younger older oldest youngest age: born birth b
died die death dead: died death killed murdered buried
nationality country: country nationality american british canadian english french german indian
nationality country: italian
""")
"""Stem of a property that a question asks for to stems of which a passage that tells it has one."""
