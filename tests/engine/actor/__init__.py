"""Mailboxes, keys, actors and the registry that calls their turns."""
