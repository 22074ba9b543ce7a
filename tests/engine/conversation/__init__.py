"""The rules of a conversation, its rights and its doors."""
