"""What every explorer does: it gives a notebook its view, and a page the same HTML each time."""

import re


def assert_serves(make, **state):
    """Returns ``make()``, after a browser has put its traits in this state."""
    widget = make()
    widget.set_state(state)  # as the browser does
    assert {name: getattr(widget, name) for name in state} == state
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert bundle["text/plain"] == repr(widget)
    html = bundle["text/html"]
    assert html == widget.html() == make().html()
    assert len(html) < 100_000
    assert html.count("</script>") == 2
    assert "<" not in widget.payload
    assert set(re.findall(r"https?://[^\s\"'`)]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"\bimport\b.*from|\bimport\(", re.sub(r"//.*", "", html))
    return widget


def assert_sends_when_asked(widget, weights, monkeypatch):
    """The weights go to a notebook's view that asks for them, and are stored nowhere."""
    sent = []
    monkeypatch.setattr(widget, "send", lambda *message, **more: sent.append((*message, more)))
    for message in ("x", {"kind": "else"}, {"kind": "weights"}):
        widget._handle_custom_msg(message, [])
    assert sent == [({"kind": "weights"}, {"buffers": [weights]})]
