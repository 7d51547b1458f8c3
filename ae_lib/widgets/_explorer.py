"""What all explorers are: a widget in a notebook, a fragment of HTML in a page."""

import anywidget
import traitlets


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
