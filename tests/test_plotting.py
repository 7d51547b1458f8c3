"""Figures: colours that everyone can tell apart, SVG that fits into a page, words for all."""

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ae_lib import plotting

CSS = Path(__file__).parents[1] / "book" / "_static" / "css" / "book.css"
# The page's backgrounds, light and dark, then those of Jupyter and Colab.
PAGES = [*re.findall(r"--ae-paper:\s*(#\w{6})", CSS.read_text("utf8")), "#ffffff", "#111111"]
# Simulation of full protanopia, deuteranopia and tritanopia in linear RGB:
# Machado, Oliveira & Fernandes (2009), severity 1.0.
BLIND = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour):
    """Linear RGB of ``#rrggbb`` (IEC 61966-2-1)."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG 2 contrast ratio of two colours."""
    lights = [linear(c) @ [0.2126, 0.7152, 0.0722] + 0.05 for c in (a, b)]
    return max(lights) / min(lights)


def lab(rgb):
    """CIELAB of linear RGB, white point D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.clip(to_xyz @ rgb, 0, None) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, matrix=None):
    """The smallest distance (CIE76) between any two colours, as someone sees them."""
    matrix = np.eye(3) if matrix is None else np.array(matrix)
    seen = [lab(np.clip(matrix @ linear(c), 0, 1)) for c in colours]
    return min(np.linalg.norm(seen[i] - seen[j]) for i in range(len(seen)) for j in range(i))


@pytest.mark.parametrize("background", PAGES)
@pytest.mark.parametrize("colour", plotting.PALETTE)
def test_every_colour_stands_out_from_every_page(colour, background):
    assert contrast(colour, background) >= 3


def test_contrast_is_wcags():
    assert len(PAGES) == 4, "the two themes of book.css"
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("kind", BLIND)
def test_the_first_five_stay_apart_for_colour_blind_readers(kind):
    assert nearest(plotting.PALETTE[:5], BLIND[kind]) >= 15
    assert nearest(["#c00000", "#006800"], BLIND["deutan"]) < 20  # the simulation merges these


def test_all_ten_are_apart():
    assert len(set(plotting.PALETTE)) == 10
    assert nearest(plotting.PALETTE) >= 25


def test_lines_differ_by_more_than_colour():
    cycle = list(plt.rcParams["axes.prop_cycle"])
    assert len({str(entry["linestyle"]) for entry in cycle}) == len(cycle) == 5
    assert len(set(plotting.MARKERS)) == 5


# -- what goes into a page ---------------------------------------------------------------


@pytest.fixture
def drawn():
    fig, axis = plotting.figure()
    axis.plot([0, 1, 2], [0.0005, 0.00125, 0.002], label="a & b")
    axis.set(xlabel="epoch", ylabel="loss", title="0.12345 <as it is>")
    axis.set_yticks([0.0005, 0.00125], ["0.0005", "0.00125"])
    axis.imshow(np.eye(4), extent=(0, 1, 0, 0.002), aspect="auto")
    axis.legend()
    return fig


def test_the_svg_takes_its_colour_from_the_page(drawn):
    svg = plotting.to_svg(drawn, "fig-test", 'what "it" shows')
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'what "it" shows'
    assert root.get("fill") == "currentColor"
    assert "#000000" not in svg
    assert "currentColor" in svg
    assert "<style" not in svg
    assert "DejaVu" not in svg
    assert not plt.fignum_exists(drawn.number)


def test_ids_are_prefixed_unique_and_resolve(drawn):
    svg = plotting.to_svg(drawn, "fig-test", "alt")
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids
    assert len(ids) == len(set(ids))
    assert all(i.startswith("fig-test-") for i in ids)
    asked = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
    assert {a or b for a, b in asked} <= set(ids)


def test_the_text_of_a_figure_is_left_as_it_is(drawn):
    svg = plotting.to_svg(drawn, "fig-test", "alt")
    words = [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    assert "0.12345 <as it is>" in words
    assert "a & b" in words
    assert "0.00125" in words


def test_coordinates_are_short(drawn):
    svg = plotting.to_svg(drawn, "fig-test", "alt")
    tags = " ".join(re.findall(r"<[^>]+>", svg))
    assert not re.search(r"\d\.\d{7,}", tags)


def test_the_same_figure_gives_the_same_svg():
    def make():
        fig, axis = plotting.figure()
        axis.plot([1, 2])
        axis.imshow(np.eye(3))
        return plotting.to_svg(fig, "fig-a", "alt")

    assert make() == make()


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_caption_and_alt_are_required(empty):
    fig, _ = plotting.figure()
    with pytest.raises(ValueError, match="caption: every figure of the book needs one"):
        plotting.show(fig, empty, alt="seen")
    with pytest.raises(ValueError, match="alt: every figure of the book needs one"):
        plotting.show(fig, "Caption.", alt=empty)
    with pytest.raises(TypeError, match="alt"):
        plotting.show(fig, "Caption.")
    plt.close(fig)


@pytest.mark.parametrize("name", ['fig"x', "fig x", "", "1fig"])
def test_a_name_is_a_label(name):
    fig, _ = plotting.figure()
    with pytest.raises(ValueError, match="name: expected a label"):
        plotting.show(fig, "Caption.", alt="seen", name=name)
    plt.close(fig)


def test_outside_a_notebook_the_caption_is_printed(capsys):
    fig, _ = plotting.figure()
    plotting.show(fig, "Loss by epoch.", alt="It falls.")
    assert capsys.readouterr().out == "Figure: Loss by epoch.\n"


def test_in_a_notebook_one_bundle_is_stored(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "emit", lambda *bundle: shown.append(bundle))
    fig, _ = plotting.figure()
    plotting.show(fig, "Loss of $f$ & *g*.", alt='It "falls".')
    ((data, metadata),) = shown
    assert metadata["ae_figure"] == {
        "name": "fig-loss-of-f-g",
        "caption": "Loss of $f$ & *g*.",
        "alt": 'It "falls".',
    }
    page = data["text/html"]
    assert page.startswith('<figure class="ae-figure" id="fig-loss-of-f-g"><svg role="img"')
    assert 'aria-label="It &quot;falls&quot;."' in page
    assert page.endswith("<figcaption>Loss of $f$ &amp; *g*.</figcaption></figure>")
    assert set(data) == {"text/plain", "text/html"}


# -- pictures ----------------------------------------------------------------------------


def test_images_stand_in_a_row_with_gaps_between():
    images = np.arange(1, 6)[:, None, None] * np.ones((5, 3, 4))
    fig = plotting.image_grid({"row": images}, high=5)
    sheet = np.ma.filled(fig.axes[0].images[0].get_array().astype(float), np.nan)
    plt.close(fig)
    gap = [np.nan] * 2
    row = [v for i in range(1, 6) for v in (*[i] * 4, *gap)][:-2]
    np.testing.assert_array_equal(sheet, [row] * 3)


def test_bad_pictures_are_named():
    with pytest.raises(ValueError, match=r"rows\['a'\]: expected 3 axes, got shape \(2, 784\)"):
        plotting.image_grid({"a": np.zeros((2, 784))})
    with pytest.raises(ValueError, match="rows: expected as many images in each"):
        plotting.image_grid({"a": np.zeros((2, 3, 3)), "b": np.zeros((3, 3, 3))})
    with pytest.raises(ValueError, match="rows: expected as many images in each"):
        plotting.image_grid({})
    with pytest.raises(ValueError, match="rows\\['a'\\]: empty"):
        plotting.image_grid({"a": np.zeros((0, 3, 3))})


def test_a_gallery_has_a_labelled_row_each():
    fig = plotting.image_grid({"input": np.zeros((4, 5, 5)), "output": np.ones((4, 5, 5, 1))})
    assert [axis.get_ylabel() for axis in fig.axes] == ["input", "output"]
    assert all(not axis.get_xticks().size for axis in fig.axes)
    assert fig.axes[0].images[0].get_clim() == (0, 1)
    plt.close(fig)


def test_learning_curves_name_both_losses():
    fig, axis = plotting.figure()
    plotting.learning_curves(
        axis, {"A": {"loss": [1, 0.5], "val_loss": [1, 0.7]}, "B": {"loss": [2]}}
    )
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["A, training", "A, held out", "B, training"]
    assert axis.get_yscale() == "log"
    plt.close(fig)
