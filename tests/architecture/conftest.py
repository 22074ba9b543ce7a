import pytest

from tests.architecture.source import Source, repository


@pytest.fixture(scope="session")
def sources() -> tuple[Source, ...]:
    return repository()
