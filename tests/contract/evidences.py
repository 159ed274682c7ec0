"""Evidence of every kind, drawn at random: what comes from the wild, and what is in order."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from hypothesis import strategies as st

from surefoot.router.evidence import (
    Alternative,
    CriticVerdict,
    Evidence,
    FinishReason,
    Generation,
    Nli,
    Passage,
    Token,
    ToolCall,
)

__all__ = ["any_evidence", "healthy_evidence", "reordered"]

# Lone surrogates, control characters and half words included.
any_text = st.text(st.characters(exclude_categories=()), max_size=6)
any_logprob = st.one_of(
    st.floats(),
    st.floats(max_value=0.0, min_value=-40.0),
    st.sampled_from([0.0, -0.0, 1e-7, 0.1, -9999.0, -9998.0, math.nan, math.inf, -math.inf]),
)
any_number = st.one_of(st.floats(), st.floats(min_value=0.0, max_value=1.0))
any_token = st.builds(
    Token,
    st.one_of(any_text, st.sampled_from(["Paris", " 42", " ", ".", "</s>", "", "True", "{"])),
    st.one_of(st.none(), any_logprob),
    st.lists(st.builds(Alternative, any_text, any_logprob), max_size=4).map(tuple),
    st.sampled_from([None, True, False]),
)
any_calls = st.lists(
    st.builds(ToolCall, any_text, st.one_of(any_text, st.just('{"city": "Rome", "n": 2}'))),
    max_size=2,
).map(tuple)
finish: st.SearchStrategy[FinishReason | None] = st.sampled_from(
    [None, "stop", "length", "tool_calls"]
)


@st.composite
def _any_generation(draw: st.DrawFn) -> Generation:
    """Mostly text that its tokens spell, now and then text of its own or a tool call."""
    tokens = draw(st.lists(any_token, max_size=4).map(tuple))
    spelled = "".join(token.token for token in tokens)
    text = draw(st.one_of(st.just(spelled), any_text))
    return Generation(text, tokens, draw(finish), draw(st.one_of(st.just(()), any_calls)))


any_generation = _any_generation()
_any_triple = st.tuples(any_number, any_number, any_number)
_any_verdict = st.builds(CriticVerdict, st.one_of(st.none(), any_number), any_number)


@st.composite
def any_evidence(draw: st.DrawFn) -> Evidence:
    """Records as a broken pipeline may leave them: sizes mostly fit, numbers need not."""
    samples = draw(st.lists(any_generation, max_size=4).map(tuple))
    m = len(samples) + draw(st.sampled_from([0, 0, 0, 1]))
    greedy = draw(any_generation)
    tokens = len(greedy.tokens)

    def rows(of: st.SearchStrategy[object], *shape: int) -> st.SearchStrategy[object]:
        for size in reversed(shape):
            of = st.lists(of, min_size=size, max_size=size).map(tuple)
        return st.one_of(st.none(), of)

    generations = st.lists(any_generation, max_size=2).map(tuple)
    kinds = st.sampled_from(["p_true", "p_true_sampled", "other"])
    fields: dict[str, object] = {
        "nli": draw(rows(_any_triple, m + 1, m + 1)),
        "greedy_similarity": draw(rows(any_number, m)),
        "sample_similarity": draw(rows(any_number, m, m)),
        "greedy_token_similarity": draw(rows(any_number, tokens)),
        "sample_token_similarity": draw(rows(any_number, m, 2)),
        "alternatives_nli": draw(rows(_any_triple, tokens, 2, 2)),
        "asked": draw(st.dictionaries(kinds, generations, max_size=2)),
        "without_context": draw(st.one_of(st.none(), any_generation)),
        "previous_answers": draw(st.lists(any_text, max_size=3).map(tuple)),
        "peers": draw(st.dictionaries(any_text, any_generation, max_size=2)),
        "critique": draw(st.one_of(st.none(), _any_verdict)),
        "passages": draw(
            st.lists(st.builds(Passage, any_text, any_text, any_text, st.floats()), max_size=3).map(
                tuple
            )
        ),
    }
    return replace(Evidence(draw(any_text), greedy, "", samples), **fields)  # type: ignore[arg-type]  # drawn by field name


_PIECES = ("42", " in", " Paris", " and", " Rome")
_ANSWERS = ("Paris", "paris.", "Rome", "Oslo")
_logprobs = st.lists(st.floats(min_value=-30.0, max_value=-1e-3), min_size=2, max_size=5)


@st.composite
def _spelled(draw: st.DrawFn, pieces: tuple[str, ...]) -> Generation:
    tokens = []
    for piece in pieces:
        numbers = draw(_logprobs)
        others = [Alternative(f"{piece}{i}", n) for i, n in enumerate(numbers[1:])]
        tokens.append(Token(piece, numbers[0], (Alternative(piece, numbers[0]), *others)))
    return Generation("".join(pieces), tuple(tokens))


@st.composite
def healthy_evidence(draw: st.DrawFn) -> Evidence:
    """Evidence from which every estimator of the catalogue can read."""
    greedy = draw(_spelled(_PIECES[: draw(st.integers(1, 5))]))
    texts = draw(st.lists(st.sampled_from(_ANSWERS), min_size=2, max_size=6))
    samples = tuple([draw(_spelled((text,))) for text in texts])
    everything = [greedy.text, *texts]
    numbers = random.Random(draw(st.integers(0, 1 << 20)))
    similar: dict[tuple[str, str], float] = {}
    entails: dict[tuple[str, str], Nli] = {}
    for a in everything:
        for b in everything:
            similar.setdefault((a, b), similar.get((b, a), 1.0 if a == b else numbers.random()))
            entails.setdefault((a, b), (0.0, 0.0, 1.0) if a == b else _triple(numbers))
    size = len(greedy.tokens)
    return Evidence(
        "Which city?",
        greedy,
        samples=samples,
        passages=(Passage("1", "Rome", "42 in Paris", 1.0), Passage("2", "", "Paris", 0.5)),
        nli=tuple(tuple(entails[a, b] for b in everything) for a in everything),
        greedy_similarity=tuple(similar[greedy.text, b] for b in texts),
        sample_similarity=tuple(tuple(similar[a, b] for b in texts) for a in texts),
        greedy_token_similarity=tuple(numbers.random() for _ in range(size)),
        sample_token_similarity=tuple((numbers.random(),) for _ in texts),
        alternatives_nli=tuple(
            tuple((_triple(numbers), _triple(numbers)) for _ in token.top_logprobs)
            for token in greedy.tokens
        ),
        asked={
            "p_true": (draw(_judged()),),
            "p_true_sampled": tuple(draw(st.lists(_judged(), min_size=1, max_size=3))),
        },
        without_context=draw(_spelled(("Oslo",))),
        previous_answers=("Oslo", greedy.text),
        peers={"other": draw(_spelled(("Rome",))), "third": draw(_spelled(("Paris",)))},
        critique=CriticVerdict(numbers.random(), numbers.random()),
    )


@st.composite
def _judged(draw: st.DrawFn) -> Generation:
    word, other = draw(st.permutations(["True", "False"]))
    high, low = sorted(draw(st.tuples(*[st.floats(-5.0, -0.7)] * 2)), reverse=True)
    return Generation(
        word, (Token(word, high, (Alternative(word, high), Alternative(other, low))),)
    )


def _triple(numbers: random.Random) -> Nli:
    a, b, c = (numbers.expovariate(1.0) + 1e-3 for _ in range(3))
    total = a + b + c
    return a / total, b / total, c / total


def reordered(evidence: Evidence, seed: int) -> Evidence:
    """The same evidence with its samples, and what belongs to them, in another order."""
    order = list(range(len(evidence.samples)))
    random.Random(seed).shuffle(order)
    whole = [0, *(i + 1 for i in order)]
    nli, similar, greedy = evidence.nli, evidence.sample_similarity, evidence.greedy_similarity
    tokens = evidence.sample_token_similarity
    assert nli is not None and similar is not None and greedy is not None and tokens is not None
    return replace(
        evidence,
        samples=tuple(evidence.samples[i] for i in order),
        nli=tuple(tuple(nli[i][j] for j in whole) for i in whole),
        greedy_similarity=tuple(greedy[i] for i in order),
        sample_similarity=tuple(tuple(similar[i][j] for j in order) for i in order),
        sample_token_similarity=tuple(tokens[i] for i in order),
    )
