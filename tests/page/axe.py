"""What axe finds amiss on a page."""

import json

# At rest: no colour is on its way to another.
SETTLE = "*, ::before, ::after { transition: none !important; animation: none !important }"
# One span of each kind stands for all the coloured words of the listings.
THIN_OUT = """() => {
  const seen = new Set();
  for (const span of document.querySelectorAll("pre span")) {
    const kind = span.className + span.closest("div")?.parentElement.className;
    if (seen.has(kind)) span.replaceWith(...span.childNodes);
    seen.add(kind);
  }
}"""
# Contrast takes axe longest. On a page it looks at one text of each ink on each paper: what the
# contrast of a text depends on is its colour and those of the boxes around it.
ONE_OF_EACH_INK = """() => {
  const seen = new Set();
  for (const node of document.querySelectorAll("body *")) {
    delete node.dataset.ink;
    if (![...node.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())) continue;
    const ink = getComputedStyle(node);
    const kind = [node.tagName, node.className, ink.color, ink.fontSize, ink.fontWeight,
      ink.textShadow, ink.visibility];
    for (let box = node; box; box = box.parentElement) {
      const paper = getComputedStyle(box);
      kind.push(paper.backgroundColor, paper.backgroundImage, paper.opacity, paper.position);
    }
    if (!seen.has(String(kind))) node.dataset.ink = "";
    seen.add(String(kind));
  }
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-ink]" }] });
}"""


def assert_axe_finds_nothing(page, context=None, rule=None):
    """On the page, or in what the selector ``context`` names; all rules, or one."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(Axe().axe_script)
    options = {"resultTypes": ["violations"], "preload": False}
    page.evaluate(THIN_OUT)
    if rule:
        options["runOnly"] = {"type": "rule", "values": [rule]}
    elif context is None:
        page.evaluate(ONE_OF_EACH_INK)
    run = "([context, options]) => axe.run(context ?? document, options)"
    found = page.evaluate(run, [context, options])["violations"]
    told = [(v["id"], v["help"], [n["html"][:150] for n in v["nodes"][:3]]) for v in found]
    theme = page.evaluate("document.documentElement.dataset.theme")
    assert not told, f"{theme}, {page.viewport_size['width']} px: {json.dumps(told, indent=1)}"


def in_both_schemes(page):
    """Show the page at rest in the light scheme, then in the dark one."""
    page.add_style_tag(content=SETTLE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        yield scheme
