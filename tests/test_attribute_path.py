"""The line along an attribute, on its Python side: refusals, traits, what it emits."""

import json

import numpy as np
import pytest
import traitlets

from ae_lib import models, text_models
from ae_lib.widgets import AttributePath
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import ENDS, small_vae
from tests.small_text_model import with_weights


@pytest.fixture(scope="module")
def vae():
    return small_vae()


REFUSED = {
    "no sentences": ({"sentences": []}, ValueError, "sentences: empty; expected at least one"),
    "one empty": ({"sentences": ["Tea.", " "]}, ValueError, r"sentences\[1\]: empty; expected"),
    "too many words": (
        {"sentences": ["tea " * 40], "target": ("words", 5)}, ValueError,
        r"sentences\[0\]: words has no 40; there is ",
    ),
    "attribute": ({"target": ("mood", 1)}, ValueError, "target: no attribute 'mood'; there is 'q"),
    "no pair": ({"target": "question"}, TypeError, "target: expected an attribute and a value"),
    "value": ({"target": ("past", "yes")}, ValueError, "past has no 'yes'; there is False, True"),
    "strength": ({"strength": 2.5}, ValueError, r"strength: expected a number in \[-1, 2\], got"),
    "NaN": ({"strength": np.nan}, ValueError, "strength: expected a number in"),
    "name": ({"name": "A b"}, ValueError, "name: expected lower-case .*'attribute-path'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_wrong_arguments(vae, case):
    arguments, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        AttributePath(vae, **{"sentences": ENDS, **arguments})


def test_refuses_a_model_that_it_cannot_move(vae):
    sizes = len(vae.vocabulary), 4, 4, 4
    normalised = models.SentenceVAE(*sizes, posterior_std=0.5)
    with pytest.raises(TypeError, match="vae: expected ae_lib.pretrained.*got SentenceVAE"):
        AttributePath(vae.model, ENDS)
    with pytest.raises(ValueError, match="vae: no attributes; call vae.learn_attributes"):
        AttributePath(text_models.TextVAE(vae.model, vae.vocabulary), ENDS)
    with pytest.raises(ValueError, match="vae: has a posterior_std"):
        AttributePath(text_models.TextVAE(normalised, vae.vocabulary, vae.attributes), ENDS)


def test_traits_are_synchronised_and_checked(vae):
    widget = AttributePath(vae, ENDS, target=["words", 7], strength=0)
    assert (widget.sentence, widget.target, widget.strength) == (ENDS[0], ("words", 7), 0)
    widget.set_state({"sentence": "Tea!", "target": ["past", True]})  # as the browser does
    wrong = {"sentence": ["", 3], "target": [("past", 7), ("mood", 1)], "strength": [3, np.nan]}
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(traitlets.TraitError):
                setattr(widget, name, value)
    assert (widget.sentence, widget.target) == ("Tea!", ("past", True))


def test_the_stored_path_is_that_of_set_attribute(vae):
    widget = AttributePath(vae, ENDS)
    payload, raw = json.loads(widget.payload), int8.pack_model(vae)
    copy = with_weights(vae, int8.unpack(raw)[1])
    copy = text_models.TextVAE(copy.model, copy.vocabulary, vae.attributes)
    places = np.linspace(-1, 2, 13)
    assert payload["target"] == ["question", True]
    assert payload["path"] == [
        copy.set_attribute(ENDS[:1], "question", True, s)[0] for s in places
    ]
    assert len(set(payload["path"])) > 3
    assert (payload["bytes"], payload["weights"]) == (len(raw), None)
    assert "moved to question = True" in widget.html()
    assert len(AttributePath(vae)._path) == 13  # of sentences that it picks
    assert repr(widget).startswith("<AttributePath 'attribute-path': ")
