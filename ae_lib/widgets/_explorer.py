"""What all explorers are: a widget in a notebook, a fragment of HTML in a page."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from ae_lib import text
from ae_lib._checks import brief
from ae_lib.widgets._static import bundled, fragment


def as_sentence(sentence, name, most):
    """Return ``sentence``; ValueError if it shows nothing or has over ``most`` characters."""
    if not text.normalise(sentence):
        raise ValueError(f"{name}: {brief(sentence)} has nothing visible; expected a sentence")
    if len(sentence) > most:
        raise ValueError(f"{name}: expected at most {most:,} characters, got {len(sentence):,}")
    return sentence


def as_point(values, name):
    """Return ``values`` as a list of two floats; ValueError unless they are two finite numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.shape != (2,) or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected two finite numbers, got {brief(values)}")
    return [float(v) for v in array]


class Explorer(anywidget.AnyWidget):
    """A widget whose ``html()`` is shown where there is no kernel.

    A subclass has its ``_kind``, such as "latent-map", which latent_map.js draws; sets ``_name``;
    and says in ``_description()`` what a reader without JavaScript does not see.
    """

    payload = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **options):
        if kind := cls.__dict__.get("_kind"):
            file = Path(__file__).with_name(f"{kind.replace('-', '_')}.js")
            cls._module = file.read_text("utf8")
            cls._esm = bundled(cls._module)
        super().__init_subclass__(**options)

    def html(self):
        """The explorer for a page without a kernel: a fragment of HTML.

        All is in it but large weights; those are in a script that the book's build makes.
        """
        fallback = f"An explorer stands here: {self._description()} It needs JavaScript."
        return fragment(self._kind, self._name, self.payload, self._module, fallback)

    # ipywidgets 7 would show the widget alone; the bundle below has the page's HTML too.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/plain": repr(self), "text/html": self.html()}, metadata


class SentenceExplorer(Explorer):
    """An explorer that takes one sentence at a time, of at most ``_most`` characters."""

    sentence = traitlets.Unicode().tag(sync=True)

    def _as_sentences(self, sentences):
        sentences = text.as_texts(sentences, "sentences")
        if not sentences:
            raise ValueError("sentences: empty; expected at least one sentence")
        return [as_sentence(s, f"sentences[{i}]", self._most) for i, s in enumerate(sentences)]

    @traitlets.validate("sentence")
    def _readable_sentence(self, proposal):
        try:
            return as_sentence(proposal.value, "sentence", self._most)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
