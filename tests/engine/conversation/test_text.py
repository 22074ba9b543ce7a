"""What may be written, and what a reader should know of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.conversation.text import check_name, check_text, flags_of
from engine.errors import ForbiddenCharacterError, OutOfRangeError
from engine.limits import MARKS_IN_A_ROW_MAX, MESSAGE_TEXT_CHARACTERS_MAX

ACUTE = "\u0301"
ALLOWED_CONTROLS = {"\t", "\n", "\r", "\u0085"}
MARKS = {
    "combining": ACUTE,
    "Thai": "\u0e31",
    "Devanagari": "\u0941",
    "spacing": "\u093e",
    "enclosing": "\u20dd",
    "a variation": "\ufe0f",
}
DIRECTIONS = [
    "\u061c",
    "\u200e",
    "\u200f",
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
]
BORDERS = ["\u061b", "\u200d", "\u2010", "\u2029", "\u202f", "\u2065", "\u206a"]


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_refused_but_for_line_breaks_and_tabs(code: int) -> None:
    text = f"before{chr(code)}behind"
    if chr(code) in ALLOWED_CONTROLS:
        check_text(text)
        return
    with pytest.raises(ForbiddenCharacterError) as refused:
        check_text(text, field="channel")
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("channel", "forbidden_character")


def test_a_text_has_so_many_characters_and_not_one_more() -> None:
    for letter in ("x", "ж", "😀"):
        check_text(letter * MESSAGE_TEXT_CHARACTERS_MAX)
        with pytest.raises(OutOfRangeError) as refused:
            check_text(letter * (MESSAGE_TEXT_CHARACTERS_MAX + 1))
        assert refused.value.errors[0].field == "text"


def test_a_letter_carries_so_many_marks_and_not_one_more() -> None:
    full = "e" + ACUTE * MARKS_IN_A_ROW_MAX
    check_text(full * 3)
    check_text(ACUTE * MARKS_IN_A_ROW_MAX)
    for text in (full + ACUTE, "ok " + full + ACUTE + " ok", ACUTE * (MARKS_IN_A_ROW_MAX + 1)):
        with pytest.raises(ForbiddenCharacterError):
            check_text(text)


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_marks_of_every_script_are_counted(mark: str) -> None:
    check_text("e" + mark * MARKS_IN_A_ROW_MAX)
    check_text(("e" + mark) * (2 * MARKS_IN_A_ROW_MAX))
    for text in ("e" + mark * (MARKS_IN_A_ROW_MAX + 1), (mark + ACUTE) * MARKS_IN_A_ROW_MAX):
        with pytest.raises(ForbiddenCharacterError):
            check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "ที่นี่",
        "नमस्ते",
        "שָׁלוֹם",
        "❤️",
        "Tiếng Việt",
        "東京　大阪",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "a\u00a0b",
    ],
)
def test_words_of_every_script_are_texts_and_names(text: str) -> None:
    check_text(text)
    check_name(text, field="tags[0]")


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\rb", "a\u0085b", "a\u2028b", "a\u2029b"])
def test_a_name_stands_on_one_line(text: str) -> None:
    check_text(text)
    with pytest.raises(ForbiddenCharacterError) as refused:
        check_name(text, field="tags[3]")
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("tags[3]", "forbidden_character")


@pytest.mark.parametrize("text", ["a\0b", "a\x9fb", "e" + ACUTE * (MARKS_IN_A_ROW_MAX + 1)])
def test_a_name_holds_nothing_that_a_text_may_not(text: str) -> None:
    with pytest.raises(ForbiddenCharacterError):
        check_name(text, field="channel")


@pytest.mark.parametrize("character", DIRECTIONS)
def test_a_text_that_changes_direction_is_flagged_wherever_it_does(character: str) -> None:
    for text in (character, f"a{character}b", f"\n{character}", f"é{character}"):
        check_text(text)
        assert flags_of(text) == ("bidi_controls",)


@pytest.mark.parametrize("text", ["", "Hello", "привет", "שלום", "😀", *BORDERS])
def test_a_text_that_does_not_is_not(text: str) -> None:
    assert flags_of(text) == ()


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Mn", "Mc", "Me", "Cs"])))
def test_what_people_write_is_taken_as_it_is(text: str) -> None:
    check_text(text)
    assert bool(flags_of(text)) == any(character in DIRECTIONS for character in text)
