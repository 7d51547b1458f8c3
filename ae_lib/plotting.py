"""The book's figures: one palette, legible in light and dark, safe for colour-blind readers.

Figures are shown as inline SVG in which black becomes the page's own text colour
(``currentColor``), so that one stored output serves both themes.
"""

import html
import io
import re
from collections.abc import Mapping

import matplotlib
import numpy as np
from cycler import cycler

from ae_lib._checks import as_batch, as_size, brief, in_bytes
from ae_lib._display import anchor, emit

# Each at least 3:1 against a white page and against the dark page (tests/test_plotting.py);
# the first five stay apart under the common kinds of colour blindness.
PALETTE = (
    "#3d8bf2",  # blue
    "#e0690f",  # orange
    "#2f7d4a",  # green
    "#b430a8",  # magenta
    "#84787c",  # taupe
    "#d64545",  # red
    "#8a6bea",  # violet
    "#0f97ab",  # cyan
    "#74951b",  # leaf
    "#9b6a2e",  # brown
)
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v")

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "black",
    "grid.alpha": 0.12,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "image.cmap": "gray",
    "image.interpolation": "none",
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": cycler(color=PALETTE[:5]) + cycler(linestyle=LINES),
}
matplotlib.rcParams.update(STYLE)  # for what is drawn later, too


def figure(rows=1, columns=1, *, height=3.2, width=7.2, **options):
    """Make a figure and its axes in the book's style.

    Args:
        rows, columns: grid of axes.
        height, width: inches; 7.2 is the page's text width.
        **options: passed to ``matplotlib.pyplot.subplots``.

    Returns:
        ``(figure, axes)`` as from ``subplots``: one Axes, or an array of them.
    """
    import matplotlib.pyplot as plt

    rows, columns = as_size(rows, "rows"), as_size(columns, "columns")
    return plt.subplots(rows, columns, figsize=(width, height), **options)


def show(fig, caption, *, alt, name=None):
    """Show a figure with its caption; in the published page it is numbered.

    Args:
        fig: matplotlib figure; it is closed.
        caption: one or two sentences, Markdown and mathematics allowed.
        alt: what a reader who cannot see it needs to know; not the caption again.
        name: label for cross-references, as in {numref}`fig-name`; default: made from
            the caption.

    Raises:
        ValueError: no caption or no alt text, or a name that is no label.
    """
    for text, what in ((caption, "caption"), (alt, "alt")):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{what}: every figure of the book needs one, got {brief(text)}")
    if name is None:
        name = anchor("fig", caption, words=6)
    if not re.fullmatch(r"[A-Za-z][\w.:-]*", name):
        raise ValueError(f"name: expected a label such as 'fig-error', got {brief(name)}")
    page = (
        f'<figure class="ae-figure" id="{html.escape(name)}">{to_svg(fig, name, alt)}'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
    emit(
        {"text/plain": f"Figure: {caption}", "text/html": page},
        {"ae_figure": {"name": name, "caption": caption, "alt": alt}},
    )


def to_svg(fig, name, alt):
    """The figure as an inline ``<svg>`` that takes its text colour from the page; closes it."""
    import matplotlib.pyplot as plt

    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": name}):
        fig.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    plt.close(fig)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)
    svg = svg.replace("#000000", "currentColor")
    svg = re.sub(r"'DejaVu Sans'(, sans-serif)?|DejaVu Sans", "system-ui, sans-serif", svg)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"\d+\.\d{4,}", _shorter, tag[0]), svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{name}-", svg)
    # Equal images get equal ids from matplotlib; nothing refers to them.
    svg = re.sub(r'(<image\b[^>]*?) id="[^"]*"', r"\1", svg)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    opening = (
        f'<svg role="img" fill="currentColor" aria-label="{html.escape(alt)}" '
        f'viewBox="0 0 {width} {height}" '
        f'style="width:100%;max-width:{float(width) * 1.25:.0f}px;height:auto" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + svg[svg.index(">") + 1 :]


def _shorter(number):
    """Coordinates to a thousandth of a point, small factors to four digits."""
    value = float(number[0])
    text = f"{value:.3f}" if value >= 1 else f"{value:.6f}"
    return text.rstrip("0").rstrip(".")


def image_grid(rows, *, low=0.0, high=1.0):
    """A figure with one labelled row of images for each entry.

    Args:
        rows: ``{label: images}``, each (n, height, width) or (n, height, width, 1), every n
            equal.
        low, high: values shown black and white; single values beyond look like these.

    Returns:
        matplotlib figure, for ``show``.

    Raises:
        TypeError: no dict, or no images.
        ValueError: rows of different length, without images, or of another shape; pictures in
            0–255 when ``high`` is 1.
    """
    if not isinstance(rows, Mapping):
        raise TypeError(f"rows: expected {{label: images}}, got {type(rows).__name__}")
    rows = {k: _pictures(images, f"rows[{brief(k)}]") for k, images in rows.items()}
    for label, images in rows.items():
        if high == 1 and in_bytes(images):
            raise ValueError(f"rows[{brief(label)}]: up to {images.max():g}; divide by 255")
    counts = {label: len(images) for label, images in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"rows: expected as many images in each, got {brief(counts)}")
    each = (7.2 - 1.3) / next(iter(counts.values()))  # inches, without the labels
    fig, axes = figure(len(rows), height=max(0.35, each) * len(rows) + 0.1)
    for axis, (label, images) in zip(np.atleast_1d(axes), rows.items(), strict=True):
        axis.imshow(_in_a_row(images), vmin=low, vmax=high)
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
        hide_axes(axis)
    return fig


def _pictures(images, name):
    """Images as float32 (n, height, width); a last axis of one channel is taken off."""
    images = as_batch(images, name)
    return as_batch(images[..., 0] if images.shape[3:] == (1,) else images, name, ndim=3)


def _in_a_row(images):
    """The images (n, height, width) side by side, two columns of NaN (transparent) between."""
    apart = np.pad(images, ((0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    return np.hstack(apart)[:, :-2]


def hide_axes(axis):
    """Take ticks, grid and frame off an axis that holds an image."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def learning_curves(axis, histories):
    """Draw training (thin) and validation (thick) loss per epoch, on a logarithmic axis.

    The axis is linear if a loss is not above 0.

    Args:
        axis: where.
        histories: ``{label: history}`` as returned by ``ae_lib.training.fit``. From the
            eleventh on, whose colours have been before, numbers mark the lines.

    Raises:
        TypeError: no such dict.
        ValueError: none, or a history without a finished epoch.
    """
    runs = [*histories.values()] if isinstance(histories, Mapping) else [None]
    if not all(isinstance(run, Mapping) for run in runs):
        raise TypeError("histories: expected {label: history}, a dict of what fit returned")
    if not runs or not all(len(run.get("loss", ())) for run in runs):
        raise ValueError("histories: expected runs with at least one finished epoch each")
    lowest = min(min([*run["loss"], *run.get("val_loss", ())]) for run in runs)
    for i, (label, history) in enumerate(histories.items()):
        epochs = np.arange(1, len(history["loss"]) + 1)
        style = {"color": PALETTE[i % len(PALETTE)]}
        if i >= len(PALETTE):
            style |= {"marker": f"${i + 1}$", "markevery": -(-len(epochs) // 8)}
        axis.plot(epochs, history["loss"], lw=1, ls="--", label=f"{label}, training", **style)
        if "val_loss" in history:
            axis.plot(epochs, history["val_loss"], ls="-", label=f"{label}, held out", **style)
    axis.set(xlabel="epoch", ylabel="loss", yscale="log" if lowest > 0 else "linear")
    axis.legend()
