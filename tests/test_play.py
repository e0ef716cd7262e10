"""Models that are asked: by Python, by strangers of their server, by a person on its page."""

import http.client
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
from asked import element, finish, price, set_value, shown, type_text, write
from chromium import RIGHT_TO_LEFT, headless, overflow, reading_order, requested, wait
from conftest import made_up
from selenium.webdriver import ActionChains, Keys

from textgen.core import progress
from textgen.core.errors import RefusedText, TextgenError
from textgen.core.settings import PARTS
from textgen.interactive import server
from textgen.interactive.models import MAX_MODELS, open_models

pytestmark = pytest.mark.long

ARMS = ("char", "word", "subword")
TEXT = "The keeper watched the tide. The keeper "


@pytest.fixture(scope="module")
def models(asked_runs):
    return {model.name: model for model in open_models(asked_runs)}


@pytest.fixture(scope="module")
def address(models):
    import uvicorn

    application = server.application([*models.values()], "network", "secret")
    running = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    with server.listen() as listening:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://{server.HOST}:{listening.getsockname()[1]}/secret/"
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def request(address, path, body=None, headers=None):
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    method = "GET" if body is None else "POST"
    connection.request(method, parts.path + path, body, headers or {})
    response = connection.getresponse()
    answer = response.status, response.read().decode(), dict(response.getheaders())
    connection.close()
    return answer


def ask(address, model, what, **question):
    body = json.dumps({"model": model, "what": what, **question})
    return [json.loads(line) for line in request(address, "ask", body)[1].splitlines()]


def continued(model, prompt, *, part="network", **settings):
    given = {"length": 60, "temperature": 0.9, "top_k": 0, "top_p": 1.0, "seed": 4} | settings
    return "".join(model.write(prompt, part=part, **given))


@pytest.mark.parametrize(
    ("name", "part"), zip(("word", "char", "subword", "char"), PARTS, strict=True)
)
def test_what_is_expected_and_written_is_what_is_scored_and_generated(models, name, part):
    model = models[name]
    found = dict(model.next_tokens(TEXT, part))
    lead = model.run.tokenizer.spaces_lead
    for token, probability in itertools.islice(found.items(), 4):
        if token.startswith("<") or (lead and not token.startswith(" ")):
            continue
        last = model.run.tokens((TEXT.rstrip() if lead else TEXT) + token)[-2]
        assert last["text"] == token
        assert -np.log2(probability) == pytest.approx(last[part], abs=1e-3)
    writes = partial(continued, model, "The ", part=part)
    settings = {"length": 60, "temperature": 0.9, "seed": 4, "part": part}
    (generated,) = model.run.generate("The ", **settings)
    assert writes() == generated["text"] != writes(seed=5)
    cold = writes(temperature=0.0)
    assert cold == writes(temperature=0.0, seed=5) == writes(temperature=1.5, top_k=1)


def test_no_answer_depends_on_what_was_asked_before(models):
    text, model = made_up(8, 3).replace("\n", " ")[:200], models["word"]
    (fresh,) = open_models([model.run.folder])
    for end in (*range(0, 201, 30), 100, 150):
        model.next_tokens(text[:end], "with_cache")
    again, expected = (dict(each.next_tokens(text, "with_cache")) for each in (model, fresh))
    assert again == pytest.approx(expected, rel=1e-5)


def test_what_a_text_costs_is_what_is_scored(models, textgen, address):
    """Of any text and run, the page and the command say the same under the same names."""
    for text in ("The keeper watched Zoë's lantern.", " the\n\ntide "):
        for name, model in models.items():
            (found,) = ask(address, name, "price", text=text)
            assert found == model.price(text)
            scored = textgen("score", model.run.folder, f"--text={text}", "--json")
            assert found.items() <= json.loads(scored.out).items()


def test_what_cannot_be_answered_is_said_in_one_message(models):
    model, folder = models["char"], models["char"].run.folder
    for asked, message in (
        (lambda: model.price(""), "0 characters"),
        (lambda: model.price("x" * 20_001), "20,001 characters"),
        (lambda: continued(model, "The", temperature=-1), "temperature"),
        (lambda: open_models([folder] * 2), "twice"),
        (lambda: open_models([folder] * (MAX_MODELS + 1)), f"at most {MAX_MODELS}"),
        (lambda: open_models(["nowhere"]), "nowhere"),
    ):
        with pytest.raises(TextgenError, match=message):
            asked()


def test_a_network_that_goes_on_learning_answers_as_it_was_trained(finished_run):
    learns = finished_run("char", "cache.learning_rate=1e-2")
    with pytest.raises(TextgenError, match="no such part"):
        open_models([learns], "with_cache")
    (model,) = open_models([learns])
    before = model.next_tokens(TEXT)
    assert model.price(TEXT)["parts"].keys() == {*model.parts} == {"network", "with_counts"}
    assert model.next_tokens(TEXT) == before


@pytest.mark.parametrize("read", [lambda model, text: model.next_tokens(text), continued])
def test_a_text_that_cannot_be_read_is_refused_with_its_place(models, address, read):
    text = "The keeper\nwatched\tthe 日 tide\u0301 日."
    with pytest.raises(RefusedText) as error:
        read(models["char"], text)
    assert error.value.place == (18, 19)
    assert [line["at"] for line in ask(address, "char", "write", text=text)] == [[18, 19]]
    for part in ("'\\t' (U+0009)", "line 2, column 8", "'日' (U+65E5)", "'\u25cc\u0301' (U+0301)"):
        assert part in str(error.value)
    with pytest.raises(RefusedText) as error:
        read(models["word"], "x" * 4005)
    assert error.value.place == (0, 5)


def test_a_bad_question_gets_one_message_and_harms_nothing(address):
    for question, message in (
        (b"not JSON", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"model": "char", "what": "write", "text": "\\ud800"}', "JSON"),
        (b'{"text": "' + b"x" * 300_000 + b'"}', "too long"),
        (b'{"model": "none", "what": "write"}', "none"),
        (b'{"model": "char", "what": "dance"}', "what"),
        (b'{"model": "char", "what": "write", "colour": "red"}', "colour"),
        (b'{"model": "char", "what": "write", "length": 1000000000}', "length"),
        (b'{"model": "char", "what": "write", "seed": true}', "seed"),
    ):
        status, body, _ = request(address, "ask", question)
        assert (status, message in json.loads(body)["error"]) == (400, True), question[:80]
    assert request(address, "models")[0] == 200


def test_nothing_is_answered_without_the_token_or_to_a_stranger(address):
    with pytest.raises(TextgenError, match="--port"):  # taken
        server.listen(urlsplit(address).port)
    base = address.removesuffix("secret/")
    for path in ("", "models", "guess/", "guess/models", "secret/../models", "play.js"):
        assert request(base, path)[0] == 404
    for headers in (
        *({"Origin": origin} for origin in ("https://elsewhere.example", "null")),
        *({"Host": f"elsewhere.example{port}"} for port in ("", f":{urlsplit(address).port}")),
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")),
    ):
        assert request(address, "models", headers=headers)[0] in (400, 403), headers
        assert request(address, "ask", b"{}", headers)[0] in (400, 403), headers
    for headers in ({"Origin": base.rstrip("/")}, {"Host": "localhost"}, {"Host": "127.0.0.1"}):
        assert request(address, "models", headers=headers)[0] == 200
    for path, wanted in (("", 200), ("nothing", 404), ("models.py", 404), ("ask", 405)):
        status, _, headers = request(address, path)
        assert status == wanted
        assert headers["content-security-policy"] == server.POLICY
        assert headers["referrer-policy"] == "no-referrer"


def test_fifty_clients_at_once_are_all_answered(address):
    def text(seed):
        lines = ask(address, ARMS[seed % 3], "write", text="The keeper ", length=30, seed=seed)
        return "".join(line["text"] for line in lines)

    with ThreadPoolExecutor(50) as pool:
        texts = list(pool.map(text, range(50)))
    assert {len(text) for text in texts} == {30}
    assert text(7) == texts[7]  # whoever else asks


@pytest.mark.parametrize("what", ["write", "expect", "price"])
def test_what_a_client_that_has_gone_asked_is_not_computed(address, monkeypatch, what):
    done, inner = [], progress.raise_if_cancelled

    def slowly():
        done.append(time.perf_counter())
        time.sleep(0.02)
        inner()

    for module in list(sys.modules.values()):
        if getattr(module, "raise_if_cancelled", None) is inner and module is not progress:
            monkeypatch.setattr(module, "raise_if_cancelled", slowly)
    text = made_up(400, 9).replace("\n", " ")[: 12_000 if what == "price" else 3900]
    body = json.dumps({"model": "char", "what": what, "text": text, "length": 4000}).encode()
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        head = f"POST {parts.path}ask HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        line.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while len(done) < 5:  # or the time that a test has is over
            time.sleep(0.01)
    left = time.perf_counter()
    while time.perf_counter() - max(done) < 0.5:
        time.sleep(0.05)
    assert max(done) - left < 10
    monkeypatch.undo()
    assert ask(address, "char", what, text=text[:40], length=5)


@pytest.mark.slow
def test_ctrl_c_ends_it(models):
    command = [sys.executable, "-m", "textgen", "play", models["char"].run.folder]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    playing = subprocess.Popen(command, **pipes, text=True)
    try:
        page = next(line for line in playing.stdout if line.startswith("http")).strip()
        assert re.fullmatch(rf"http://{server.HOST}:\d+/[\w-]{{22}}/", page)
        assert request(page, "models")[0] == 200
        with socket.create_connection((server.HOST, urlsplit(page).port)):  # still connected
            playing.send_signal(signal.SIGINT)
            _, err = playing.communicate(timeout=120)
        assert playing.returncode == 0
        assert "Traceback" not in err
    finally:
        playing.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory, address):
    with headless(tmp_path_factory.mktemp("page"), address) as driver:
        yield driver


def test_all_models_write_when_the_page_opens_and_again_when_asked(browser):
    wait(browser, "document.querySelectorAll('#ask .sample').length === 3")
    finish(browser)
    assert {name: len(text) for name, text in shown(browser).items()} == dict.fromkeys(ARMS, 400)
    set_value(browser, "length", 80)
    type_text(browser, "The keeper")
    element(browser, "text").send_keys(Keys.ENTER)
    finish(browser)
    first = shown(browser)
    assert all(len(text) == 90 and text.startswith("The keeper") for text in first.values())
    element(browser, "temperature").send_keys(Keys.HOME)  # a setting that moves writes again
    wait(browser, "document.getElementById('ask-heat').value === '0.00'")
    finish(browser)
    cold = shown(browser)
    assert cold != first
    assert write(browser) == cold
    set_value(browser, "temperature", 0.8)
    first, second = write(browser), write(browser)  # without a seed each text is another
    set_value(browser, "seed", element(browser, "seed").get_attribute("placeholder"))
    assert first != second == write(browser)
    set_value(browser, "seed", "")


def test_a_next_token_is_added_and_what_was_written_is_kept_continued_or_stopped(browser):
    set_value(browser, "length", 80)
    type_text(browser, "The keeper")
    button = browser.find_element("css selector", "#ask .next button:enabled")
    token = button.text.split(" ")[0].replace("␣", " ")
    button.send_keys(Keys.ENTER)
    field = element(browser, "text")
    assert field.get_property("value") == "The keeper" + token
    wait(browser, "document.activeElement.closest('.next') !== null")  # for the next token
    type_text(browser, "The keeper")
    old = browser.find_element("css selector", "#ask .next button:enabled")
    browser.execute_script("arguments[0].value += ' and'; arguments[1].click()", field, old)
    assert field.get_property("value") == "The keeper and"  # what was typed since is not lost
    type_text(browser, "The keeper")
    old = browser.find_element("css selector", "#ask .next button:enabled")
    press = "(window.old = arguments[0]).dispatchEvent(new MouseEvent('click', { detail: 1 }))"
    browser.execute_script(press, old)
    wait(browser, "!window.old.isConnected")  # for the next tokens
    assert browser.switch_to.active_element == field  # a pointer leaves the keys to the text
    before = write(browser)
    # not with the pointer: columns move while expected tokens come in
    click = "document.querySelector(`[aria-label='${arguments[0]} wrote']`).click()"
    browser.execute_script(click, "Keep what word")
    assert field.get_property("value") == before["word"]
    browser.execute_script(click, "Let char continue what it")
    finish(browser)
    after = shown(browser)
    assert after["char"].startswith(before["char"])
    assert len(after["char"]) == len(before["char"]) + 80
    assert after["word"] == before["word"]
    set_value(browser, "length", 4000)
    browser.execute_script(
        """const stop = () => document.getElementById("ask-stop").click()
        const written = new MutationObserver(() => { written.disconnect(); stop() })
        const models = document.getElementById("ask-models")
        written.observe(models, { characterData: true, subtree: true })
        document.getElementById("ask-write").click()"""
    )
    finish(browser, "stopped")  # as soon as something was written
    stopped = shown(browser)
    time.sleep(0.3)
    assert shown(browser) == stopped
    assert all(len(text) < 3900 for text in stopped.values())
    set_value(browser, "length", 30)


def test_what_a_model_cannot_read_is_named_in_its_column_and_can_be_selected(browser):
    """Beyond the basic plane, too, where JavaScript counts two."""
    selected = "const f = arguments[0]; return f.value.slice(f.selectionStart, f.selectionEnd)"
    field = element(browser, "text")
    set_value(browser, "text", "A \U0001f60e\U0001f3b2 ")
    field.send_keys("b")
    wait(browser, "document.querySelectorAll('#ask .wrong button').length === 2")
    wrong = shown(browser, ".wrong")
    assert ("U+1F60E" in wrong["char"], wrong["word"]) == (True, None)
    assert browser.execute_script(selected, field) == ""  # the next key would replace it
    browser.find_element("css selector", "#ask .wrong button").click()
    assert browser.execute_script(selected, field) == "\U0001f60e"
    assert write(browser)["word"].startswith("A \U0001f60e\U0001f3b2 b")


def test_a_refused_setting_is_named_and_hebrew_stands_right(browser):
    type_text(browser, "The keeper")
    for name, wrong in (("length", 9999), ("seed", -1)):
        set_value(browser, name, wrong)
        element(browser, "write").click()
        finish(browser, "refused")
        assert all(name in said for said in shown(browser, ".answer .wrong").values())
        type_text(browser, "The keeper")  # what comes next does not depend on it
        assert not any(shown(browser, ".next .wrong").values())
        set_value(browser, name, {"length": 30, "seed": ""}[name])
        assert all(len(text) == 40 for text in write(browser).values())
        assert not browser.find_elements("css selector", "#ask .wrong")
    assert all("400" in entry["message"] for entry in browser.get_log("browser"))
    type_text(browser, RIGHT_TO_LEFT)
    direction = "return getComputedStyle(arguments[0]).direction"
    assert browser.execute_script(direction, element(browser, "text")) == "rtl"
    price(browser)
    assert set(shown(browser).values()) == {RIGHT_TO_LEFT}
    gap, places = reading_order(browser, "#ask .answer")
    assert (gap < 2, places) == (True, list(range(len(RIGHT_TO_LEFT))))


def test_what_a_text_costs_is_shown_in_all_columns_under_pointer_and_keys(browser, models):
    text = "The keeper watched Zoe's lantern. <script>document.title='caught'</script>"
    type_text(browser, text)
    notes = price(browser)
    for name, model in models.items():
        for own in model.run.score(text)["parts"].values():
            both = own["bits_per_character_without_end"], own["bits_per_character"]
            said = "{:.3f} bits per character without the end mark, {:.3f} with it"
            assert said.format(*both) in notes[name]
    assert set(shown(browser).values()) == {text}
    assert not browser.find_elements("css selector", "#ask img, #ask script")
    span = browser.find_elements("css selector", "#ask .answer i")[4]
    ActionChains(browser).scroll_to_element(span).move_to_element(span).perform()
    marked = shown(browser, "i.on")
    assert (marked["char"], marked["word"]) == ("k", " keeper")
    assert all(" bits" in note for note in shown(browser, ".note").values())
    browser.find_element("css selector", "#ask .answer").send_keys(Keys.ARROW_RIGHT)
    assert shown(browser, "i.on")["char"] == "e"


def test_keys_reach_everything_and_nothing_is_cut_off_or_leaves_the_page(browser, address):
    browser.execute_script("document.querySelector('#ask details').open = true")
    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(30):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.append(browser.execute_script("return document.activeElement.id"))
    controls = "text write price temperature length top_k top_p seed part".split()
    places = [seen.index(f"ask-{name}") for name in controls]
    assert places == sorted(places)
    assert [overflow(browser, width) for width in (390, 1280)] == [0, 0]
    own = (address.removesuffix("secret/"), "data:", "chrome")  # the browser's first, empty tab
    addresses = requested(browser)
    assert addresses
    assert all(url.startswith(own) for url in addresses)
    assert not browser.get_log("browser")
