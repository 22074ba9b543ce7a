"""Who may see a conversation, and as whom a key may write in it."""

import pytest

from engine.conversation.access import (
    Viewer,
    author_of,
    check_named,
    check_visibility,
    check_visible,
    editor_of,
)
from engine.conversation.events import Author
from engine.errors import AuthorMismatchError, ForbiddenError, NotFoundError
from engine.principal import Principal
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    given,
    noted,
    said,
)

ACCOUNT = "acct_123"


def principal(
    subject: str, *, staff: bool = False, conversations: frozenset[str] | None = None
) -> Principal:
    return Principal(
        workspace="ws_1",
        environment="live",
        key_id="key_1",
        subject=subject,
        scopes=frozenset(),
        staff=staff,
        conversations=conversations,
    )


STAFF_KEY = principal("key_1", staff=True)


@pytest.mark.parametrize(
    ("who", "wanted", "author"),
    [
        (STAFF_KEY, None, Author("system", "key_1")),
        (STAFF_KEY, AGENT, AGENT),
        (STAFF_KEY, CUSTOMER, CUSTOMER),
        (STAFF_KEY, Author("bot", "b"), Author("bot", "b")),
        (principal(ACCOUNT), None, Author("user", ACCOUNT)),
        (principal(ACCOUNT), Author("user", ACCOUNT), Author("user", ACCOUNT)),
        (principal(ACCOUNT), CUSTOMER, CUSTOMER),
        (principal(ACCOUNT), Author("user", "u-46"), Author("user", "u-46")),
        (principal("usr_45"), None, CUSTOMER),
        (principal("usr_45"), CUSTOMER, CUSTOMER),
    ],
)
def test_a_key_writes_as_its_own(who: Principal, wanted: Author | None, author: Author) -> None:
    assert author_of(who, wanted) == author


@pytest.mark.parametrize(
    ("who", "wanted"),
    [
        (principal(ACCOUNT), Author("user", "acct_999")),
        (principal(ACCOUNT), Author("agent", "ada")),
        (principal(ACCOUNT), Author("bot", "usr_45")),
        (principal(ACCOUNT), Author("system", ACCOUNT)),
        (principal("usr_45"), Author("user", "usr_46")),
        (principal("usr_45"), Author("user", ACCOUNT)),
        (principal("usr_45"), Author("agent", "usr_45")),
        (principal("usr_45"), Author("user", "USR_45")),
    ],
)
def test_a_key_writes_as_nobody_else(who: Principal, wanted: Author) -> None:
    with pytest.raises(AuthorMismatchError):
        author_of(who, wanted)


@pytest.mark.parametrize(
    ("who", "wanted", "author", "editor"),
    [
        (STAFF_KEY, None, CUSTOMER, Author("system", "key_1")),
        (STAFF_KEY, AGENT, CUSTOMER, AGENT),
        (STAFF_KEY, CUSTOMER, CUSTOMER, CUSTOMER),
        (STAFF_KEY, Author("bot", "b"), AGENT, Author("bot", "b")),
        (principal(ACCOUNT), None, CUSTOMER, CUSTOMER),
        (principal(ACCOUNT), CUSTOMER, CUSTOMER, CUSTOMER),
        (principal(ACCOUNT), Author("user", ACCOUNT), CUSTOMER, Author("user", ACCOUNT)),
        (principal("usr_45"), None, CUSTOMER, CUSTOMER),
        (principal("usr_45"), CUSTOMER, CUSTOMER, CUSTOMER),
    ],
)
def test_a_key_edits_as_staff_likes_or_as_the_author_or_the_key_itself(
    who: Principal, wanted: Author | None, author: Author, editor: Author
) -> None:
    assert editor_of(who, wanted, author) == editor


@pytest.mark.parametrize(
    ("who", "wanted"),
    [
        (principal(ACCOUNT), Author("user", "u-46")),
        (principal(ACCOUNT), Author("user", "acct_999")),
        (principal(ACCOUNT), AGENT),
        (principal(ACCOUNT), Author("system", ACCOUNT)),
        (principal("usr_45"), Author("user", "usr_46")),
        (principal("usr_45"), AGENT),
    ],
)
def test_a_customers_key_edits_as_nobody_else(who: Principal, wanted: Author) -> None:
    with pytest.raises(AuthorMismatchError):
        editor_of(who, wanted, CUSTOMER)


def test_only_staff_leaves_notes() -> None:
    check_visibility(STAFF_KEY, "note")
    check_visibility(principal(ACCOUNT), "public")
    for subject in (ACCOUNT, "usr_45"):
        with pytest.raises(ForbiddenError):
            check_visibility(principal(subject), "note")


def test_a_narrowed_key_knows_its_own_conversations_only() -> None:
    check_named(principal(ACCOUNT), CONVERSATION)
    check_named(principal(ACCOUNT, conversations=frozenset({CONVERSATION})), CONVERSATION)
    for conversations in (frozenset({"conv_other"}), frozenset[str]()):
        with pytest.raises(NotFoundError):
            check_named(principal(ACCOUNT, conversations=conversations), CONVERSATION)


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [
        (Viewer(staff=True), True),
        (Viewer(staff=False, contact_id=CUSTOMER_CONTACT), True),
        (Viewer(staff=False, contact_id="usr_other"), False),
        (Viewer(staff=False), False),
        (Viewer(staff=False, account=ACCOUNT, contact_id="usr_account"), True),
        (Viewer(staff=False, account="acct_999", contact_id="usr_account"), False),
        (Viewer(staff=False, account="acct_999", owned=frozenset({CUSTOMER_CONTACT})), True),
        (Viewer(staff=False, account="acct_999", owned=frozenset({"usr_other"})), False),
    ],
)
def test_a_customer_sees_what_it_or_its_accounts_users_take_part_in(
    viewer: Viewer, *, sees: bool
) -> None:
    state = given(CREATED, said(), noted(), actor=ACCOUNT)
    if sees:
        check_visible(state, viewer)
    else:
        with pytest.raises(NotFoundError):
            check_visible(state, viewer)


def test_an_account_does_not_see_what_its_users_wrote_by_other_keys() -> None:
    state = given(CREATED, said(), actor="usr_45")
    with pytest.raises(NotFoundError):
        check_visible(state, Viewer(staff=False, account=ACCOUNT))


def test_the_account_that_wrote_first_stays_the_one_that_sees() -> None:
    state = given(CREATED, said(), actor="acct_1")
    check_visible(state, Viewer(staff=False, account="acct_1"))
    with pytest.raises(NotFoundError):
        check_visible(state, Viewer(staff=False, account="acct_2"))


def test_words_of_staff_make_no_contact_take_part() -> None:
    state = given(CREATED, said(author=AGENT), noted())
    for viewer in (Viewer(staff=False, contact_id=CUSTOMER_CONTACT), Viewer(staff=False)):
        with pytest.raises(NotFoundError):
            check_visible(state, viewer)


def test_absent_and_hidden_are_told_in_the_same_words() -> None:
    told = []
    for state in (given(), given(CREATED, said())):
        with pytest.raises(NotFoundError) as refused:
            check_visible(state, Viewer(staff=False, contact_id="usr_other"))
        told.append((refused.value.detail, refused.value.members, refused.value.errors))
    with pytest.raises(NotFoundError) as refused:
        check_named(principal(ACCOUNT, conversations=frozenset()), CONVERSATION)
    told.append((refused.value.detail, refused.value.members, refused.value.errors))
    assert told[0] == told[1] == told[2]


def test_even_staff_does_not_see_what_does_not_exist() -> None:
    with pytest.raises(NotFoundError):
        check_visible(given(), Viewer(staff=True))
