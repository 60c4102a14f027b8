"""`pegboard-pages` alone: a page is made, with nothing else installed."""

from importlib.metadata import distributions

from pegboard_pages import document, element, icon, style_sheet

installed = {distribution.name.lower().replace("_", "-") for distribution in distributions()}
assert installed == {"pegboard-pages"}, installed

page = document(element("h1", "a < b"), title="Sums", assets="/look")
assert b"<h1>a &lt; b</h1>" in page
assert b'href="/look/style.css"' in page
assert b"--paper" in style_sheet(b"h1 { color: red }")
assert icon().startswith(b"<svg")
