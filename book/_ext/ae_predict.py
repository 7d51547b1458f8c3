"""Predictions: a question to which readers commit before the page shows what was measured.

    ```{predict} How many of 100 sentences come back word for word?
    :id: 07-exact
    :unit: %
    :hides: fig-exact
    ```

and, behind the result, so that a notebook does not tell it too early,

    ```{predicted} 07-exact
    :value: 07-exact
    The model gives back {glue:text}`07-exact` %, because ...
    ```

which the page shows in the box of the question. In place of ``value``, a number that the chapter
glues, there may be ``choices`` of the question, with bars between them, and the ``right`` one. No
backticks in the question: a fence allows none. ``hides`` names figures or claims whose outputs
stay closed as well; ``next`` stands for the next cell with an output, ``next+1`` for the one
behind. Closed, too, are the first paragraphs behind that have glued numbers of the answer. The
style sheet closes all this where a script runs, and ``js/predict.js`` opens it. In print, in an
EPUB and without a script all stands open.
"""

import html
import json
import re
from pathlib import Path

from ae_numbers import chapter_number
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


class Prediction(nodes.General, nodes.Element):
    """The whole box: title, question, choices in words, the form, the answer."""


class Form(nodes.General, nodes.Element):
    """What a script makes use of: fields and buttons."""


class Veil(nodes.General, nodes.Element):
    """What opens when the reader has committed."""


class Predict(SphinxDirective):
    """``{predict} Question?``; see the head of this module."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = dict.fromkeys(("id", "hides", "unit", "choices"), directives.unchanged_required)

    def run(self):
        choices = [choice.strip() for choice in self.options.get("choices", "").split("|")]
        choices = list(filter(None, choices))
        name = self.options.get("id", "")
        boxes = self.env.temp_data.setdefault("ae_guesses", {})
        for problem in self.problems(name, boxes):
            logger.warning("predict: %s", problem, location=self.get_location())
        question, _ = self.parse_inline(" ".join(self.arguments[0].split()))
        box = boxes[name] = Prediction(ids=[f"guess-{name}"], guess=name)
        box["hides"] = re.split(r"[,\s]+", self.options.get("hides", "").strip())
        box["place"] = self.get_location()
        box += nodes.paragraph("", "Predict", classes=["admonition-title"])
        box += nodes.paragraph("", "", *question, classes=["ae-predict-question"])
        if choices:
            text = f"Choose: {'; '.join(choices)}."
            box += nodes.paragraph("", text, classes=["ae-predict-choices"])
        box += Form(guess=name, choices=choices, right="", unit=self.options.get("unit", ""))
        return [box]

    def problems(self, name, boxes):
        """What is wrong with the options."""
        number = f"{chapter_number(self.env.docname):02}-"
        if not re.fullmatch(rf"{number}[\w-]+", name):
            yield f"an id of this chapter begins with {number}; got {name!r}"
        if name in boxes:
            yield f"the id {name} is used twice"
        if not self.arguments[0].rstrip().endswith("?"):
            yield f"{name}: the question has no question mark at its end"


class Predicted(SphinxDirective):
    """``{predicted} id``: the answer, which goes into the box of its question."""

    required_arguments = 1
    has_content = True
    option_spec = dict.fromkeys(("value", "right"), directives.unchanged_required)

    def run(self):
        name = self.arguments[0]
        box = self.env.temp_data.get("ae_guesses", {}).get(name)
        value = glued(self.env.doc2path(self.env.docname)).get(self.options.get("value"))
        for problem in self.problems(name, box, value):
            logger.warning("predict: %s", problem, location=self.get_location())
        if box:
            form = box.children[-1]
            if isinstance(form, Form):
                form["right"] = value if value is not None else self.options.get("right", "")
                box += Veil("", *self.parse_content_to_nodes(), guess=name, kind="answer")
        return []

    def problems(self, name, box, value):
        """What is wrong with the options, or between question and answer."""
        if box is None:
            yield f"no question above has the id {name}"
            return
        if not isinstance(box.children[-1], Form):
            yield f"{name}: it is answered twice"
            return
        choices = box.children[-1]["choices"]
        if bool(choices) == ("value" in self.options):
            yield f"{name}: give either choices and right, or value"
        elif choices and self.options.get("right") not in choices:
            yield f"{name}: right is none of the choices: {self.options.get('right')!r}"
        elif not choices and value is None:
            yield f"{name}: no cell of the chapter glues {self.options['value']!r}"
        elif not choices and not re.fullmatch(r"[-−]?[\d,]*\.?\d+", value):
            yield f"{name}: {self.options['value']} is not a number: {value!r}"


def glued(path):
    """``{name: text}`` of all that the chapter's cells glue."""
    found = {}
    for cell in json.loads(Path(path).read_text("utf8"))["cells"]:
        for output in cell.get("outputs", ()):
            if about := output.get("metadata", {}).get("scrapbook"):
                text = "".join(output["data"].get(f"{about['mime_prefix']}text/plain", ""))
                found[about["name"]] = text.strip("'\"")
    return found


def veil(app, doctree):
    """Put a veil around what gives the answers of a page's predictions away."""
    boxes = list(doctree.findall(Prediction))
    if not boxes:
        return
    order = list(doctree.findall())
    place = {id(node): at for at, node in enumerate(order)}
    shown = [
        node
        for node in order
        if isinstance(node, nodes.container)
        and "cell_output" in node["classes"]
        and any(
            node.findall(lambda n: isinstance(n, (nodes.literal_block, nodes.figure, nodes.raw)))
        )
    ]
    for box in boxes:
        if isinstance(box.children[-1], Form):
            text = "predict: %s: no {predicted} below gives its answer"
            logger.warning(text, box["guess"], location=box["place"])
        after = place[id(box)]
        for name in filter(None, box["hides"]):
            cell = _cell(name, [cell for cell in shown if place[id(cell)] > after])
            if cell is None:
                logger.warning(
                    "predict: %s hides %s, which no cell after it shows",
                    box["guess"],
                    name,
                    location=box["place"],
                )
                continue
            if not isinstance(cell.parent, Veil):
                outer = cell.parent
                cover = Veil(guess=box["guess"], kind="output", noted=not _next_to(box, outer))
                outer.replace(cell, cover)
                cover += cell
        if texts := _telling(box):
            outputs = any(cover["guess"] == box["guess"] for cover in doctree.findall(_is_output))
            cover = Veil(guess=box["guess"], kind="text", noted=not outputs)
            texts[0].parent.insert(texts[0].parent.index(texts[0]), cover)
            for text in texts:
                text.parent.remove(text)
                cover += text


def _cell(name, cells):
    """The one of these outputs that holds a name; of ``next+1`` the second."""
    if found := re.fullmatch(r"next(?:\+(\d))?", name):
        return next(iter(cells[int(found[1] or 0) :]), None)
    return next((cell for cell in cells if _holds(cell, name)), None)


def _holds(cell, name):
    """Whether a figure or a claim of this name is among the outputs."""
    for node in cell.findall():
        if isinstance(node, nodes.figure) and name in node["ids"]:
            return True
        if isinstance(node, nodes.raw) and f'id="{name}"' in node.astext():
            return True
    return False


def _is_output(node):
    return isinstance(node, Veil) and node["kind"] == "output"


def _telling(box):
    """The first paragraphs behind a box, in its section, that have glued numbers of its answer."""
    told, texts = {node.astext() for node in box.findall(_is_glued)}, []
    siblings = box.parent.children
    for node in siblings[siblings.index(box) + 1 :]:
        if isinstance(node, nodes.paragraph) and any(
            part.astext() in told for part in node.findall(_is_glued)
        ):
            texts.append(node)
        elif texts or isinstance(node, nodes.section):
            break
    return texts


def _is_glued(node):
    return isinstance(node, nodes.inline) and "pasted-text" in node["classes"]


def _next_to(box, cell):
    """Whether nothing stands between a box and a cell."""
    siblings = box.parent.children
    return cell.parent is box.parent and siblings.index(cell) == siblings.index(box) + 1


# -- the pages -----------------------------------------------------------------------------


def visit_prediction(self, node):
    self.body.append(
        f'<div class="prediction admonition ae-predict" id="{node["ids"][0]}" '
        f'data-ae-guess="{node["guess"]}">\n'
    )


def visit_form(self, node):
    """Fields and buttons; an EPUB has none."""
    if self.builder.name != "html":
        raise nodes.SkipNode
    name, unit = node["guess"], html.escape(node["unit"])
    if node["choices"]:
        radios = "".join(
            f'<label><input type="radio" name="guess-{name}" value="{html.escape(choice)}"> '
            f"{html.escape(choice)}</label>"
            for choice in node["choices"]
        )
        fields = f"<fieldset><legend>Your choice</legend>{radios}</fieldset>"
    else:
        fields = (
            '<label>Your guess <input type="text" inputmode="decimal" autocomplete="off"> '
            f"{unit}</label>"
        )
    # In a template until a reader is near: browsers lay out every field, to fill it in.
    kind = "choice" if node["choices"] else "number"
    self.body.append(
        f'<div class="ae-predict-form" data-kind="{kind}" data-unit="{unit}" '
        f'data-right="{html.escape(node["right"])}"><template>{fields}<div class="ae-live-bar">'
        '<button type="button" class="ae-live-button ae-live-first" data-ae-do="commit">'
        "Commit</button>"
        '<button type="button" class="ae-live-button" data-ae-do="see">'
        "Show the result without a guess</button>"
        '<button type="button" class="ae-predict-link" data-ae-do="all">'
        "Show all results from now on</button></div></template></div>"
        '<div class="ae-predict-said"><span role="status"></span></div>\n'
    )
    raise nodes.SkipNode


def visit_veil(self, node):
    """What is closed; in its place, where it is far from the question, a line that leads there."""
    if self.builder.name != "html":
        return
    name = node["guess"]
    if node.get("noted"):
        self.body.append(
            f'<p class="ae-veil-note" data-ae-veil-note="{name}">This result opens when you have '
            f'answered <a href="#guess-{name}">the question above</a>.</p>\n'
        )
    self.body.append(f'<div class="ae-veil ae-veil-{node["kind"]}" data-ae-veil="{name}">\n')


def depart_veil(self, node):
    if self.builder.name == "html":
        self.body.append("</div>\n")


def setup(app):
    app.add_directive("predict", Predict)
    app.add_directive("predicted", Predicted)
    close = (visit_prediction, lambda self, node: self.body.append("</div>\n"))
    app.add_node(Prediction, html=close)
    app.add_node(Form, html=(visit_form, None))
    app.add_node(Veil, html=(visit_veil, depart_veil))
    app.connect("doctree-read", veil)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
