"""The Conversation API: what is said, by whom, and who may see it."""

from gateway.api.contract import Api
from gateway.api.conversation import conversations, events, lists, messages, signals

API = Api(
    name="conversation",
    summary="What is said, by whom, and who may see it.",
    routes=(
        *conversations.ROUTES,
        *lists.ROUTES,
        *messages.ROUTES,
        *events.ROUTES,
        *signals.ROUTES,
    ),
)
