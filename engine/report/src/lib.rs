//! Floor 4: JSON lines, CSV, SVG and HTML reports.
