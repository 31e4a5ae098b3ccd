"""What `skalign.federated` logs. pytest's own fixture slows every test of the suite."""

import logging

import pytest


@pytest.fixture
def logged():
    """Messages of `skalign.federated`, from warnings up, as they come."""
    messages = []

    class Keep(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    logger, handler = logging.getLogger("skalign.federated"), Keep(logging.WARNING)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)
