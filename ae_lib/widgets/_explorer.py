"""What all explorers are: a widget in a notebook, a fragment of HTML in a page."""

import anywidget
import traitlets

from ae_lib import text
from ae_lib._checks import brief


def as_sentence(sentence, name, most):
    """Return ``sentence``; ValueError if it shows nothing or has over ``most`` characters."""
    if not text.normalise(sentence):
        raise ValueError(f"{name}: {brief(sentence)} has nothing visible; expected a sentence")
    if len(sentence) > most:
        raise ValueError(f"{name}: expected at most {most:,} characters, got {len(sentence):,}")
    return sentence


class Explorer(anywidget.AnyWidget):
    """A widget whose ``html()`` is shown where there is no kernel."""

    payload = traitlets.Unicode().tag(sync=True)

    # ipywidgets 7 would show the widget alone; the bundle below has the page's HTML too.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/plain": repr(self), "text/html": self.html()}, metadata
