"""The page on which models are asked: as a server that strangers try, and as a person sees it."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from asked import make_runs
from chromium import emulate, headless
from conftest import made_up

from textgen.core import errors
from textgen.interactive import server
from textgen.interactive.models import open_models

CLIENTS = 50
HOSTILE = "<img src=x onerror=alert(1)><script>document.title='caught'</script>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, corpus_folder):
    return make_runs(tmp_path_factory.mktemp("asked"), corpus_folder)


@pytest.fixture(scope="module")
def address(runs):
    """Where a server answers, in a thread of this process."""
    import uvicorn

    readers = open_models(runs)
    listening = socket.socket()
    listening.bind((server.HOST, 0))
    listening.listen()
    config = uvicorn.Config(
        server.application(readers, "secret", 2), log_level="error", lifespan="off"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://{server.HOST}:{listening.getsockname()[1]}/secret/"
    running.should_exit = True
    thread.join(20)
    listening.close()
    assert not thread.is_alive()


def ask(address, what, question=None, headers=None, method="POST"):
    """(status, body, headers) of one question."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    body = question if isinstance(question, bytes) else json.dumps(question or {}).encode()
    connection.request(method, parts.path + what, body if method == "POST" else None, headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def texts(body):
    """What each model wrote, and how it ended."""
    written, ends = {}, {}
    for line in map(json.loads, body.splitlines()):
        name = line["model"]
        written[name] = written.get(name, "") + line.get("text", "")
        if line.keys() & {"done", "error"}:
            ends[name] = line.get("error")
    return written, ends


def test_all_models_write_and_a_seed_repeats_it(address):
    question = {"text": "The keeper", "settings": {"length": 60}, "seed": 3}
    first, again = (texts(ask(address, "write", question)[1]) for _ in range(2))
    assert first == again
    assert {name: len(text) for name, text in first[0].items()} == dict.fromkeys(
        ("char", "word", "subword"), 60
    )
    assert set(first[1].values()) == {None}


def test_what_one_model_cannot_read_another_answers(address):
    status, body, _ = ask(address, "expect", {"text": "日 "})
    found = json.loads(body)
    assert status == 200
    assert "U+65E5" in found["char"]["error"]
    assert found["char"]["at"] == [0, 1]
    assert len(found["word"]["tokens"]) == 10
    ends = texts(ask(address, "write", {"text": "x" * 5000})[1])[1]
    assert all("at most 4,000" in message for message in ends.values())
    written, ends = texts(ask(address, "write", {"text": "日", "settings": {"length": 9}})[1])
    assert "U+65E5" in ends["char"]
    beyond = json.loads(ask(address, "pay", {"text": "x" * 20_003})[1])["word"]
    assert beyond["at"] == [20_000, 20_003]
    assert len(written["word"]) == 9


@pytest.mark.parametrize(
    ("what", "question", "message"),
    [
        ("write", b"not JSON", "a JSON object"),
        ("write", b"[" * 100_000, "a JSON object"),
        ("write", {"models": ["nobody"]}, "models that are open"),
        ("write", {"models": [["char"]]}, "models that are open"),
        ("write", {"text": 3}, "a JSON object"),
        ("write", {"colour": "red"}, "a JSON object"),
        ("write", b'{"text": "\\ud800"}', "a JSON object"),
        ("write", {"settings": {"temperature": -1}}, "temperature"),
        ("write", {"settings": {"length": 10**9}}, "at most 4,000"),
        ("write", b'{"settings": {"temperature": NaN}}', "temperature"),
        ("write", {"settings": {"prompts": [{}]}}, "prompts"),
        ("write", {"seed": 2**40}, "seed"),
        ("write", {"seed": True}, "seed"),
        ("write", {"settings": {"fill": "pool"}}, "fill"),
        ("pay", b'{"text": "' + b"x" * 300_000 + b'"}', "a shorter text"),
    ],
)
def test_a_bad_question_gets_one_message_and_harms_nothing(address, what, question, message):
    status, body, _ = ask(address, what, question)
    assert status == 400
    assert message in json.loads(body)["error"]
    assert ask(address, "models", method="GET")[0] == 200


def test_nothing_is_answered_without_the_token_or_to_a_stranger(address):
    base = address.removesuffix("secret/")
    own = base.rstrip("/")
    port = urlsplit(address).port
    for path in ("", "models", "guess/", "guess/models", "secret/../models", "play.js"):
        assert ask(base, path, method="GET")[0] == 404
    for headers in (
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "elsewhere.example"},
        {"Host": f"elsewhere.example:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for what, method in (("models", "GET"), ("write", "POST")):
            assert ask(address, what, {}, headers, method)[0] in (400, 403), headers
    assert ask(address, "models", headers={"Origin": own}, method="GET")[0] == 200
    for what, wanted in (("", 200), ("nothing", 404), ("write", 405)):
        status, _, headers = ask(address, what, method="GET")
        assert status == wanted
        assert headers["content-security-policy"] == server.POLICY
        assert headers["referrer-policy"] == "no-referrer"


def test_fifty_clients_at_once_are_all_answered(address):
    question = {"text": "The keeper ", "settings": {"length": 30}}
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [
            pool.submit(ask, address, "write", {**question, "seed": seed})
            for seed in range(CLIENTS)
        ]
        found = [texts(each.result()[1]) for each in asked]
    assert all(set(ends.values()) == {None} and len(ends) == 3 for _, ends in found)
    assert all(len(text) == 30 for written, _ in found for text in written.values())
    assert len({written["char"] for written, _ in found}) > CLIENTS / 2
    alone = texts(ask(address, "write", {**question, "seed": 7})[1])
    assert alone == found[7]  # nobody's text depends on who else asks


def test_a_client_that_goes_away_leaves_nothing_behind(address):
    parts = urlsplit(address)
    for _ in range(20):
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            body = json.dumps({"text": "The ", "settings": {"length": 4000}}).encode()
            head = f"POST {parts.path}write HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            line.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert line.recv(200).startswith(b"HTTP/1.1 200")
    began = time.perf_counter()
    assert ask(address, "expect", {"text": "The"})[0] == 200
    assert time.perf_counter() - began < 20  # the texts that nobody waits for are not written


@pytest.mark.parametrize(
    ("what", "module", "length", "pieces"),
    [("expect", "interactive.reader", 3900, 3900), ("pay", "evaluation.scorer", 12_000, 750)],
)
def test_an_answer_that_nobody_waits_for_is_not_computed_to_its_end(
    address, monkeypatch, what, module, length, pieces
):
    """Nor is another model asked. A piece is a token that is read, or a window that is scored."""
    done, inner = [], errors.raise_if_cancelled

    def slowly():
        done.append(time.perf_counter())
        time.sleep(0.02)
        inner()

    text = made_up(400, 9).replace("\n", " ")[:length]
    assert len(text) == length
    monkeypatch.setattr(importlib.import_module(f"textgen.{module}"), "raise_if_cancelled", slowly)
    parts = urlsplit(address)
    body = json.dumps({"text": text}).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        head = f"POST {parts.path}{what} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        line.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while len(done) < 5:
            time.sleep(0.01)
        assert len(done) < pieces / 4
    left = time.perf_counter()
    while time.perf_counter() - max(done) < 0.5:
        time.sleep(0.05)
    assert max(done) - left < 3
    assert len(done) < pieces / 2
    monkeypatch.undo()
    assert json.loads(ask(address, what, {"text": text[:40]})[1]).keys() == {
        "char", "word", "subword",
    }  # fmt: skip


def test_ctrl_c_ends_it_and_bad_input_is_told_before_anything_is_loaded(runs, tmp_path):
    command = [sys.executable, "-m", "textgen", "play"]
    done = subprocess.run([*command, tmp_path / "no"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no" in done.stderr
    assert len(done.stderr.splitlines()) < 8
    playing = subprocess.Popen(
        [*command, runs[0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    try:
        page = next(line for line in playing.stdout if line.startswith("http")).strip()
        assert re.fullmatch(rf"http://{server.HOST}:\d+/[\w-]{{22}}/", page)
        assert ask(page, "models", method="GET")[0] == 200
        with socket.create_connection((server.HOST, urlsplit(page).port)):  # somebody is there
            playing.send_signal(signal.SIGINT)
            _, err = playing.communicate(timeout=30)
        assert playing.returncode == 0
        assert "Traceback" not in err
    finally:
        playing.kill()


def test_a_port_that_is_taken_is_told(address):
    from textgen.core.errors import TextgenError

    with pytest.raises(TextgenError, match="--port"):
        server.listen(urlsplit(address).port)


@pytest.fixture(scope="module")
def browser(tmp_path_factory, address):
    with headless(tmp_path_factory.mktemp("page"), address) as driver:
        yield driver


def wait(driver, script, *arguments, seconds=30):
    """Until a script returns something true, which is returned."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, 0.05).until(
        lambda driver: driver.execute_script(f"return {script}", *arguments)
    )


def shown(driver):
    """What the models have written, by name."""
    script = """return Object.fromEntries([...document.querySelectorAll('.answer')].map(
        box => [box.querySelector('h3').textContent, box.querySelector('p').textContent]))"""
    return driver.execute_script(script)


def say(driver, text):
    field = driver.find_element("id", "text")
    field.clear()
    field.send_keys(text)


def finished(driver):
    wait(driver, "document.getElementById('state').textContent === 'done'")


def test_three_models_answer_one_beginning_and_the_temperature_changes_it(browser):
    from selenium.webdriver import Keys

    wait(browser, "document.querySelectorAll('#models input').length === 3")
    browser.execute_script("document.getElementById('length').value = 80")
    say(browser, "The keeper")
    browser.find_element("id", "text").send_keys(Keys.ENTER)
    finished(browser)
    first = shown(browser)
    assert first.keys() == {"char", "word", "subword"}
    assert all(len(text) == 90 and text.startswith("The keeper") for text in first.values())
    slider = browser.find_element("id", "temperature")
    slider.send_keys(Keys.HOME)
    wait(browser, "document.getElementById('shown-temperature').value === '0.00'")
    finished(browser)
    wait(browser, "!document.querySelector('.answer.busy')")
    cold = shown(browser)
    assert cold != first
    slider.send_keys(Keys.END)
    wait(browser, "document.getElementById('shown-temperature').value === '2.00'")
    finished(browser)
    assert shown(browser) != cold


def test_without_a_seed_each_text_is_another_and_its_seed_is_shown(browser):
    say(browser, "The keeper")
    seed, written = browser.find_element("id", "seed"), []
    for value in ("", "", None):
        value = seed.get_attribute("placeholder") if value is None else value
        browser.execute_script("arguments[0].value = arguments[1]", seed, value)
        browser.find_element("id", "go").click()
        finished(browser)
        wait(browser, "!document.querySelector('.answer.busy')")
        written.append(shown(browser))
    browser.execute_script("arguments[0].value = ''", seed)
    assert written[0] != written[1] == written[2]


def test_a_next_token_is_chosen_and_what_one_wrote_is_kept(browser):
    from selenium.webdriver import Keys

    say(browser, "The keeper")
    wait(browser, "document.querySelectorAll('#next button:enabled').length > 3")
    time.sleep(0.6)  # of the last key
    wait(browser, "document.querySelectorAll('#next button:enabled').length > 3")
    button = browser.find_element("css selector", "#next button:enabled")
    token = button.text.replace("␣", " ")
    button.send_keys(Keys.ENTER)
    assert browser.find_element("id", "text").get_property("value") == "The keeper" + token
    wait(browser, "document.activeElement.closest('#next') !== null")  # for the next token
    browser.find_element("id", "go").click()
    finished(browser)
    text = shown(browser)["word"]
    browser.find_element("css selector", "[aria-label='Keep what word wrote']").click()
    assert browser.find_element("id", "text").get_property("value") == text
    browser.find_element("css selector", "[aria-label='Keep it, and let char continue']").click()
    finished(browser)
    assert shown(browser).keys() == {"char"}


def test_stop_stops_and_another_beginning_takes_its_place(browser):
    browser.execute_script("document.getElementById('length').value = 4000")
    say(browser, "A lantern")
    browser.find_element("id", "go").click()
    wait(browser, "document.querySelector('.answer p span + span').textContent.length > 5")
    browser.find_element("id", "stop").click()
    wait(browser, "document.getElementById('state').textContent === 'stopped'")
    stopped = shown(browser)
    time.sleep(0.3)
    assert shown(browser) == stopped
    assert all(len(text) < 3900 for text in stopped.values())
    browser.execute_script("document.getElementById('length').value = 30")
    browser.find_element("id", "go").click()
    finished(browser)
    assert all(len(text) == 39 for text in shown(browser).values())


def selected(driver, name):
    script = "const f = document.getElementById(arguments[0]);"
    script += "return f.value.slice(f.selectionStart, f.selectionEnd)"
    return driver.execute_script(script, name)


def test_what_a_model_cannot_read_is_selected_in_the_box(browser):
    """Beyond the basic plane, too, where JavaScript counts two. While somebody types nothing is
    selected: the next key would replace it."""
    browser.execute_script("document.getElementById('length').value = 9")
    field = browser.find_element("id", "text")
    browser.execute_script(
        "arguments[0].value = 'The 日 keeper'; arguments[0].oninput(); arguments[0].focus();"
        "arguments[0].setSelectionRange(3, 3)", field
    )  # fmt: skip
    wait(browser, "document.querySelectorAll('#expecting button').length === 2")
    assert "U+65E5" in browser.find_element("id", "expecting").text
    assert selected(browser, "text") == ""
    browser.find_element("css selector", "#expecting button").click()
    assert selected(browser, "text") == "日"
    browser.execute_script("arguments[0].value = 'A \U0001f60e\U0001f3b2 b'", field)
    browser.find_element("id", "go").click()
    finished(browser)
    assert selected(browser, "text") == "\U0001f60e"
    assert browser.execute_script("return document.activeElement.id") == "text"
    assert len(shown(browser)["word"]) == 6 + 9
    passage = browser.find_element("id", "passage")
    browser.execute_script("arguments[0].value = 'x'.repeat(20000) + 'beyond'", passage)
    browser.find_element("css selector", "#pay button").click()
    wait(browser, "document.querySelectorAll('#paying button').length === 3")
    assert selected(browser, "passage") == "beyond"
    browser.execute_script("arguments[0].value = ''", passage)


def test_what_a_text_costs_is_shown_aligned_under_pointer_and_keys(browser):
    from selenium.webdriver import ActionChains, Keys

    field = browser.find_element("id", "passage")
    field.clear()
    field.send_keys("The keeper watched Zoe's lantern. " + HOSTILE)
    browser.find_element("css selector", "#pay button").click()
    wait(browser, "document.querySelectorAll('#paid span').length > 10")
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#totals tbody tr')].map(row => row.innerText)"
    )
    assert [row.split("\t")[0] for row in rows] == ["char", "word", "subword"]
    text = browser.find_element("id", "paid")
    assert text.get_property("textContent").endswith(HOSTILE)
    assert browser.execute_script("return document.querySelectorAll('#paid img').length") == 0
    span = browser.find_elements("css selector", "#paid span")[2]
    ActionChains(browser).scroll_to_element(span).move_to_element(span).perform()
    here = browser.find_element("id", "here")
    before = here.text
    assert "char" in before
    assert "subword" in before
    text.send_keys(Keys.END)
    assert browser.find_elements("css selector", "#paid span")[-1].get_attribute("class") == "on"
    assert here.text != before
    options = browser.execute_script(
        "return [...document.getElementById('shade').options].map(each => each.textContent)"
    )
    assert options[-1] == "word − subword"
    colours = "return [...document.querySelectorAll('#paid span')].map(s => s.style.cssText).join()"
    alone = browser.execute_script(colours)
    browser.execute_script(
        "const s = document.getElementById('shade'); s.selectedIndex = 5; s.onchange()"
    )
    assert browser.execute_script(colours) != alone


def test_the_keyboard_reaches_everything_and_the_skip_link_comes_first(browser):
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(80):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        element = browser.switch_to.active_element
        seen.append(element.get_attribute("id") or element.get_attribute("class") or element.text)
    controls = "temperature length top_k top_p seed memory go text shade passage paid".split()
    assert seen.index("skip") < min(map(seen.index, controls))
    assert {*controls, "model-0", "model-2"} <= {*seen}
    words = [e.text for e in browser.find_elements("css selector", "#next button") if e.text]
    assert {*words[:3]} <= {*seen}


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(browser, width):
    emulate(browser, width)
    script = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
    assert browser.execute_script(script) == 0


def test_nothing_leaves_the_page_and_nothing_went_wrong(browser, address):
    origin = address.removesuffix("secret/")
    messages = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    sent = [
        m["params"]["request"]["url"] for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]  # fmt: skip
    assert sent
    own = (origin, "data:", "chrome")  # the last of the browser's first, empty tab
    assert not [url for url in sent if not url.startswith(own)]
    assert not browser.get_log("browser")
    assert browser.title == "textgen: ask the models"


def test_the_first_character_comes_soon(address):
    """A bound that a busy machine keeps, too: the benchmark has the figure."""
    prompt = made_up(6, 1).replace("\n", " ")
    ask(address, "expect", {"text": prompt})
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    began = time.perf_counter()
    connection.request("POST", parts.path + "write", json.dumps({"text": prompt}).encode())
    connection.getresponse().readline()
    assert time.perf_counter() - began < 3
    connection.close()


def test_a_page_may_be_asked_without_a_port_in_its_name(status_of):
    """As browsers do at port 80."""
    assert status_of({"host": "127.0.0.1"}) == 200
    assert status_of({"host": "localhost"}) == 200
    assert status_of({"host": "elsewhere"}) == 400


@pytest.fixture
def status_of():
    """The status of an answer to some headers, without a server."""
    import anyio

    made = server.application([], "secret", 1)

    def status(headers):
        found = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            found.append(message)

        raw = [(k.encode(), v.encode()) for k, v in headers.items()]
        scope = {
            "type": "http", "method": "GET", "path": "/secret/models", "raw_path": b"",
            "root_path": "", "scheme": "http", "query_string": b"", "headers": raw,
            "client": None, "server": None,
        }  # fmt: skip
        anyio.run(made, scope, receive, send)
        return found[0]["status"]

    return status
