"""One session of Spark for all tests of this folder: `make test-spark`."""

import shutil
from collections.abc import Iterator

import pytest

from tests.spark.sessions import SparkSession, small_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    if shutil.which("java") is None:
        pytest.fail("no Java. Fix: apt-get install openjdk-17-jre-headless", pytrace=False)
    with small_session() as session:
        yield session
