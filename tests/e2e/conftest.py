"""A real browser; what is missing skips these tests, or fails them where CI must not go without."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OUT = ROOT / "work_dirs" / "e2e"  # screenshots, and the redraw times as json
CHROMIUM = os.environ.get("CASCADEKIT_CHROMIUM") or shutil.which("chromium")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever asks for another machine gets no answer, and is seen by `requests`.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
TIMES: dict[str, list[float]] = {}


def _require(there: object, what: str, how: str) -> None:
    if there:
        return
    reason = f"needs {what}: {how} (`make e2e` does)"
    if os.environ.get("CASCADEKIT_REQUIRE_E2E") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, once for all tests."""
    _require(find_spec("playwright"), "playwright", "pip install -e '.[e2e]'")
    _require(CHROMIUM, "chromium", "apt-get install chromium, or set CASCADEKIT_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own profile that can say when its picture changed."""
    context = browser.new_context(viewport={"width": 1300, "height": 1100})
    context.add_init_script(path=Path(__file__).with_name("watch.js"))
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


@pytest.fixture
def requests(page: Any) -> list[str]:
    """Every address that the page asks for, from now on: also sockets, frames and workers."""
    seen: list[str] = []
    page.context.on("request", lambda request: seen.append(request.url))
    page.on("websocket", lambda socket: seen.append(socket.url))
    return seen


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab for an empty folder: its address, and the folder."""
    _require(find_spec("jupyterlab"), "jupyterlab", "pip install -e '.[e2e]'")
    from tests.e2e.lab import running_lab

    folder = tmp_path_factory.mktemp("lab")
    root = folder / "root"
    root.mkdir()
    with running_lab(folder, root) as address:
        yield address, root


@pytest.fixture
def keep_time() -> Callable[[str, float], None]:
    """Note a redraw's milliseconds; nothing is asserted on them."""

    def keep(what: str, milliseconds: float) -> None:
        TIMES.setdefault(what, []).append(round(milliseconds, 1))

    return keep


@pytest.fixture
def screenshot(page: Any) -> Callable[[str], None]:
    """Keep what is seen, to be looked at."""

    def take(name: str) -> None:
        OUT.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=OUT / f"{name}.png")

    return take


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The redraw times, and where they and the screenshots are."""
    if not TIMES:
        return
    OUT.mkdir(parents=True, exist_ok=True)
    rows = {
        what: {"median_ms": statistics.median(times), "all_ms": times}
        for what, times in TIMES.items()
    }
    (OUT / "redraw.json").write_text(json.dumps(rows, indent=1) + "\n")
    terminalreporter.section("redraw, from the event to other pixels on the screen")
    for what, row in rows.items():
        low, high = min(row["all_ms"]), max(row["all_ms"])
        terminalreporter.write_line(
            f"{what}: median {row['median_ms']:.0f} ms of {len(row['all_ms'])} "
            f"({low:.0f} to {high:.0f})"
        )
    terminalreporter.write_line(f"{(OUT / 'redraw.json').relative_to(ROOT)}, screenshots beside it")
