"""Followers, live and behind."""
