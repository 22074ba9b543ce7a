"""Storage in memory: the reference that every other backend is compared with."""

from persistence.memory.store import MemoryStore, MemoryStores

__all__ = ["MemoryStore", "MemoryStores"]
