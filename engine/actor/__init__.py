"""Mailboxes, turns and the registry: one writer for every stream."""
