"""What every page is made of: HTML, inline SVG, colours, number formats, label placement. No torch."""
