"""The console in Chromium, against a real uvicorn process. Any console error or policy violation fails a test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tasks_app import queue
from tasks_app.engine.states import State
from tests.factories import an_error, make_queue, make_statistic, make_task, make_worker
from tests.processes import ROOT, database_url
from tests.waiting import eventually

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    *(
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
    ),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"),
]
HOSTILE = "<img src=x onerror=alert(1)>\"'</script>"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a web process on the database of the tests."""
    log = tmp_path_factory.mktemp("browser") / "uvicorn.log"
    with django_db_blocker.unblock():
        url = database_url()
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": url}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "taskqueue_project.asgi:application", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        started = eventually(
            lambda: re.search(r"running on (http://\S+)", log.read_text()),
            timeout=30,
            message=log.read_text,
        )
        yield started[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()[-4000:]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, which Django would take for async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


OpenPage = Callable[..., Any]


@pytest.fixture
def open_page(server: str, chromium: Any) -> Iterator[OpenPage]:
    """`open_page("/console/", color_scheme="dark")`: a page of a superuser; what goes wrong in it fails the test."""
    problems: list[str] = []
    contexts = []

    def open_(path: str = "/console/", *, anonymous: bool = False, **options: Any) -> Any:
        context = chromium.new_context(base_url=server, **options)
        contexts.append(context)
        context.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        if not anonymous:
            client = Client()
            user, _ = User.objects.get_or_create(
                username="operator", is_staff=True, is_superuser=True
            )
            client.force_login(user)
            cookie = {
                "name": "sessionid",
                "value": client.cookies["sessionid"].value,
                "url": server,
            }
            context.add_cookies([cookie])
        page = context.new_page()
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not problems


def wait_for_frames(page: Any, number: int = 2) -> None:
    """Until the page has shown that many more frames."""
    for _ in range(number):
        seen = page.get_attribute("#pulse", "data-seq")
        page.wait_for_function(
            "seen => document.getElementById('pulse').dataset.seq > seen", arg=seen
        )


def something_of_everything() -> dict[str, Any]:
    worker = make_worker(HOSTILE)
    tasks = {state: make_task(state, name=HOSTILE, worker=worker) for state in State}
    failed = make_task(
        State.FAILED,
        name="shop.tasks." + "long_" * 60,
        args=[HOSTILE, "x" * 500],
        errors=[an_error(HOSTILE, HOSTILE * 20, HOSTILE, worker=str(worker.id))],
    )
    make_queue(HOSTILE)
    queue.pause("mail", by="operator", reason="x" * 200)
    for outcome in ("succeeded", "failed", "retried"):
        make_statistic(outcome, 30)
    return {"worker": worker, "running": tasks[State.RUNNING], "failed": failed}


def test_logs_in_and_ticks(open_page):
    User.objects.create_superuser("operator", password="of-the-test-1")
    make_task()
    page = open_page("/console/", anonymous=True)

    page.fill("#id_username", "operator")
    page.fill("#id_password", "of-the-test-1")
    page.click("[type=submit]")

    page.wait_for_selector("#live[data-live=live]")
    wait_for_frames(page)
    for _ in range(4):
        make_task()
    page.wait_for_function(
        "() => document.querySelector('[data-text=\"tiles.waiting\"]').textContent === '5'"
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="desktop"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 390, "height": 844}}, id="phone"),
    ],
)
def test_every_page_keeps_to_the_policy_and_fits_its_window(open_page, options):
    rows = something_of_everything()
    changes = [
        reverse("admin:tasks_app_task_change", args=[rows["failed"].id]),
        reverse("admin:tasks_app_task_change", args=[rows["running"].id]),
        reverse("admin:tasks_app_worker_change", args=[rows["worker"].id]),
        reverse("admin:tasks_app_queue_change", args=["mail"]),
    ]
    lists = [
        reverse(f"admin:tasks_app_{n}_changelist") for n in ("task", "queue", "worker", "apikey")
    ]
    configuration = [
        reverse("admin:tasks_app_apikey_add"),
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_add"),
        reverse("admin:auth_group_add"),
        reverse("admin:password_change"),
    ]
    page = open_page(**options)
    page.wait_for_selector("#live[data-live=live]")

    for path in [reverse("admin:index"), *lists, *changes, *configuration]:
        assert page.goto(path).status == 200
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], path
        if options.get("color_scheme") == "dark":
            red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
            assert int(red) < 60, path


def test_a_pause_is_seen_by_another_viewer_without_reloading(open_page):
    make_queue("mail")
    watching, acting = open_page(), open_page()
    wait_for_frames(watching, 1)

    acting.click("[data-queue=mail] summary")
    acting.fill("[data-queue=mail] [name=reason]", HOSTILE)
    acting.click("[data-queue=mail] details button")

    watching.wait_for_selector("[data-queue=mail].paused")
    assert HOSTILE in watching.inner_text("[data-queue=mail] [data-field=paused]")
    acting.click("[data-queue=mail] button >> text=Resume")
    watching.wait_for_selector("[data-queue=mail]:not(.paused)")


def test_what_is_new_is_announced_and_moves_nothing(open_page):
    make_task(State.FAILED, name="a.first", errors=[an_error()])
    page = open_page()
    wait_for_frames(page, 1)

    make_task(State.FAILED, name="a.second", errors=[an_error()])
    make_queue("new")

    page.wait_for_selector("#new-failures:not([hidden])")
    page.wait_for_selector("#new-queues:not([hidden])")
    assert page.locator("#failure-rows tr").count() == 1
    page.click("#new-failures")
    page.wait_for_function("() => document.querySelectorAll('#failure-rows tr').length === 2")


def test_polls_where_no_socket_opens_until_the_session_ends(open_page):
    page = open_page("/console/tasks_app/queue/")
    page.route_web_socket("**/ws/live", lambda socket: socket.close())
    page.goto("/console/")
    page.wait_for_selector("#live[data-live=polling]")
    wait_for_frames(page)

    page.context.clear_cookies()

    page.wait_for_selector("#login-form")


def test_the_home_page_is_useful_without_javascript(open_page):
    make_task(State.FAILED, name="a.b", errors=[an_error(message="it broke")])
    make_task()

    page = open_page(java_script_enabled=False)

    assert page.inner_text('[data-text="tiles.waiting"]') == "1"
    assert "it broke" in page.inner_text("#failure-rows")
    assert page.locator("#chart path").count() == 4
