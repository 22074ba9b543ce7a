"""The Conversation API: what is said, by whom, and who may see it."""

from gateway.api import conversation_events, conversations, messages, signals
from gateway.api.contract import Api

API = Api(
    name="conversation",
    summary="What is said, by whom, and who may see it.",
    routes=(
        *conversations.ROUTES,
        *messages.ROUTES,
        *conversation_events.ROUTES,
        *signals.ROUTES,
    ),
)
