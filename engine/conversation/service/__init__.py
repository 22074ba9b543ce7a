"""The doors of the feature (shell): each prepares a command, asks an actor, finds the receipt."""

from engine.conversation.service.asking import CONVERSATION, Asking, stream_of
from engine.conversation.service.changing import (
    ANYTHING,
    Changed,
    Changing,
    Expectation,
    NewConversation,
)
from engine.conversation.service.editing import Edit, Edited, Editing
from engine.conversation.service.listing import Listed, Listing, Wanted
from engine.conversation.service.marking import Marks
from engine.conversation.service.messages import Messages
from engine.conversation.service.posting import Conversations, NewMessage, Posted

__all__ = [
    "ANYTHING",
    "CONVERSATION",
    "Asking",
    "Changed",
    "Changing",
    "Conversations",
    "Edit",
    "Edited",
    "Editing",
    "Expectation",
    "Listed",
    "Listing",
    "Marks",
    "Messages",
    "NewConversation",
    "NewMessage",
    "Posted",
    "Wanted",
    "stream_of",
]
