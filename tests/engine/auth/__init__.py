"""Credentials: their texts, their scopes and who they stand for."""
