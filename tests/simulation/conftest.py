"""What the tests on real programs share: a pool, and a stick on another file system."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_pool import Pool
from tests.support.zygote import Zygote

OTHER_FILE_SYSTEM = Path("/dev/shm")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Zygote() as zygote:
        made = Pool(tmp_path_factory.mktemp("pool"), zygote)
        try:
            yield made
        finally:
            made.program.end()


@pytest.fixture
def stick() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=OTHER_FILE_SYSTEM, prefix="huidian-stick-"))
    if folder.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is one file system only")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
