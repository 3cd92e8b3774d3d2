"""What can be done to a text: one level a file, an operation a row. What it proposes depends on the text alone."""
