"""Conversations: what is said, by whom, and who may see it."""
