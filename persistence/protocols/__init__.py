"""The seams of storage. One contract suite holds every backend to them (``tests/contracts``)."""
