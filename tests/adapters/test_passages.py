"""Blocks are packed into passages of the right size, cut where a reader would cut."""

from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.document_blocks import Block, BlockKind
from surefoot.adapters.passages import Section, SizeRule, pack, source_passage, word_count

RULE = SizeRule(least=5, most=20, code=30)


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * (count - 1) + [f"{word}."])


def packed(*blocks: Block, rule: SizeRule = RULE) -> list[tuple[str, str]]:
    return [(section.title, section.text) for section in pack(blocks, "file", rule)]


def heading(text: str) -> Block:
    return Block("heading", text)


def text(content: str) -> Block:
    return Block("text", content)


def test_the_title_is_the_nearest_heading_and_the_file_before_the_first() -> None:
    assert packed(text(words(6)), heading("A"), text(words(7)), heading("B"), text(words(8))) == [
        ("file", words(6)),
        ("A", words(7)),
        ("B", words(8)),
    ]


def test_of_headings_without_text_the_last_counts() -> None:
    assert packed(heading("A"), heading("B"), text("x")) == [("B", "x")]
    assert packed(heading("A")) == []


def test_paragraphs_fill_a_passage_up_to_the_limit() -> None:
    assert packed(heading("A"), text(words(9)), text(words(9)), text(words(9))) == [
        ("A", f"{words(9)}\n{words(9)}"),
        ("A", words(9)),
    ]


def test_a_short_section_goes_on_into_the_next() -> None:
    assert packed(heading("A"), text("Too short."), heading("B"), text(words(9))) == [
        ("A", f"Too short.\nB\n{words(9)}")
    ]


def test_the_rest_of_a_long_section_stands_alone() -> None:
    blocks = (heading("A"), text(words(20)), text("Rest."), heading("B"), text(words(9)))
    assert packed(*blocks) == [("A", words(20)), ("A", "Rest."), ("B", words(9))]


def test_long_paragraphs_are_cut_between_sentences() -> None:
    long = " ".join(f"{words(8, word)}" for word in ("Ab", "Cd", "Ef"))
    assert packed(text(long)) == [
        ("file", f"{words(8, 'Ab')} {words(8, 'Cd')}"),
        ("file", words(8, "Ef")),
    ]


def test_abbreviations_do_not_end_sentences() -> None:
    first = "One two three four five six seven eight nine, e.g. Ten eleven twelve thirteen."
    second = "Another sentence of a few words, vs. Dr. Who in London."
    assert [found for _, found in packed(text(f"{first} {second}"))] == [first, second]


def test_lists_are_cut_between_their_items() -> None:
    items = [f"- item {number} is this? Yes it is" for number in range(6)]
    cut = [found.split("\n") for _, found in packed(text("\n".join(items)))]
    assert [line for lines in cut for line in lines] == items
    assert len(cut) > 1


def test_chinese_sentences_need_no_space() -> None:
    sentence = "这是一个句子。"
    assert all(found.endswith("。") for _, found in packed(text(sentence * 40)))


def test_code_stays_together_up_to_its_cap_and_is_cut_between_lines() -> None:
    line = "value = compute(argument)"
    whole = "\n".join([line] * 9)
    assert word_count(whole) in range(RULE.most + 1, RULE.code + 1)
    assert packed(Block("code", whole)) == [("file", whole)]
    longer = [found for _, found in packed(Block("code", "\n".join([line] * 40)))]
    assert len(longer) > 1
    assert all(set(found.split("\n")) == {line} for found in longer)


def test_a_word_without_end_is_cut_anywhere() -> None:
    pieces = [found for _, found in packed(text("x" * 5_000), rule=SizeRule())]
    assert "".join(pieces) == "x" * 5_000
    assert max(map(len, pieces)) <= 8 * SizeRule().most


def test_a_lead_in_stays_with_what_it_announces() -> None:
    assert packed(heading("A"), text(words(15)), text("For example:"), text(words(9))) == [
        ("A", words(15)),
        ("A", f"For example:\n{words(9)}"),
    ]
    assert packed(text("For example:")) == [("file", "For example:")]
    assert packed(text("For example:"), heading("A"), text("x"))[0][1].startswith("For example:")


def test_ids_depend_on_source_position_and_text_only() -> None:
    section = Section("T", "Some text. More.")
    first = source_passage("a.md", 0, section, "one")
    assert first.id == source_passage("a.md", 0, section, "another").id
    others = [
        source_passage("b.md", 0, section, ""),
        source_passage("a.md", 1, section, ""),
        source_passage("a.md", 0, Section("T", "Other text."), ""),
    ]
    assert len({first.id, *(other.id for other in others)}) == 4


def test_the_lead_is_the_first_sentence_without_the_opening() -> None:
    passage = source_passage("a", 0, Section("f", "Adds. Then more.", opening="f(x)\n"), "")
    assert (passage.text, passage.lead) == ("f(x)\nAdds. Then more.", "Adds.")


SAYING = st.text(min_size=1).filter(str.strip)
KINDS: list[BlockKind] = ["text", "code"]


@given(st.lists(st.builds(Block, st.sampled_from(KINDS), SAYING)))
def test_nothing_is_lost_and_nothing_is_empty(blocks: list[Block]) -> None:
    sections = list(pack(blocks, "file", RULE))
    told = "".join(section.text for section in sections)
    assert all(section.text.strip() for section in sections)
    assert "".join(told.split()) == "".join("".join(block.text.split()) for block in blocks)


@given(st.text(alphabet="ab .\n", max_size=2_000))
def test_no_passage_is_much_longer_than_the_limit(content: str) -> None:
    blocks = [Block("text", content)] if content.strip() else []
    assert all(word_count(found.text) <= RULE.most for found in pack(blocks, "file", RULE))
