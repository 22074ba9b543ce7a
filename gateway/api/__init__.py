"""Every API, in one list. An eighth is a module here, a folder in the engine, and one more line."""

from gateway.api import admin, auth, conversation, events, operations

APIS = (auth.API, events.API, conversation.API, admin.API, operations.API)
