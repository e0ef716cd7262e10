"""The part of a page in which a person asks models."""

from chromium import wait


def element(browser, name):
    return browser.find_element("id", f"ask-{name}")


def shown(browser, selector=".answer"):
    """The text of a part of each model's column, by the model's name."""
    script = """const text = (box, part) => box.querySelector(part)?.textContent
        const boxes = [...document.querySelectorAll('#ask .sample')]
        return Object.fromEntries(boxes.map(box => [text(box, 'h4'), text(box, arguments[0])]))"""
    return browser.execute_script(script, selector)


def finish(browser, state="done"):
    wait(browser, f"document.getElementById('ask-state').textContent === '{state}'")


def set_value(browser, name, value):
    browser.execute_script("arguments[0].value = arguments[1]", element(browser, name), value)


def type_text(browser, text):
    """Type a text, and wait until every model has answered with what it expects."""
    lists = "[...document.querySelectorAll('#ask .next')]"
    browser.execute_script(f"{lists}.forEach(list => list.replaceChildren())")
    set_value(browser, "text", text[:-1])
    element(browser, "text").send_keys(text[-1])
    wait(browser, f"{lists}.every(list => list.children.length)")


def write(browser, button="write", selector=".answer"):
    element(browser, button).click()
    finish(browser)
    return shown(browser, selector)


def price(browser):
    return write(browser, "price", ".note")
