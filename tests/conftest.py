"""What all tests share: one backend, no screen, the small scale, and no skipping in CI."""

import gc
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["MPLBACKEND"] = "Agg"
os.environ["AE_PRESET"] = "small"

import pytest
from hypothesis import settings

settings.register_profile("book", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("book")


def _no_skip(report):
    """In CI, a test that is skipped has not proved what it says: it fails."""
    if os.environ.get("CI") and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _no_skip((yield))


@pytest.fixture(scope="module", autouse=True)
def swept():
    """What a module leaves is collected once; what stays alive is not looked at again.

    TensorFlow keeps much of each model. Late in a stage one look at all of it took 80 s.
    """
    yield
    gc.collect()
    gc.freeze()
