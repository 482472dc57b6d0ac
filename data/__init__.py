"""What the records are, and how they get in and out: sources, formats, geometry, data sets."""
