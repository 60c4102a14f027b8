"""What web pages of plugins have in common: safe HTML, one look, light and dark."""

from pegboard_pages._document import document
from pegboard_pages._look import icon, palette, style_sheet
from pegboard_pages._markup import Child, Markup, element

__all__ = ["Child", "Markup", "document", "element", "icon", "palette", "style_sheet"]
