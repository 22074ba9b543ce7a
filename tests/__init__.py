"""Tests: they mirror the tree; what holds for every backend is in contracts."""
