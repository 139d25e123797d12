"""Drawing primitives of every page: HTML, inline SVG, colours, number formats, label placement. No torch."""
