"""HTML frame and SVG drawings of reports and pages."""
